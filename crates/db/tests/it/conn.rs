//! Statements in, replies out.

use crate::on_each;
use db::{Batch, ErrorKind, Flow, Outcome, Reply, Step};

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn rows_come_as_the_server_prints_them() {
    on_each(|conn| {
        let rows = conn.query("SELECT 1, 'é', NULL UNION ALL SELECT 2, '', 'x'").unwrap();
        assert_eq!(rows, [vec![Some("1".to_owned()), Some("é".to_owned()), None], texts(&["2", "", "x"])]);
    });
}

#[test]
fn a_failed_statement_stops_the_batch_and_leaves_the_connection_usable() {
    on_each(|conn| {
        let batch: Batch<'_> =
            ["CREATE TABLE a (id INTEGER)", "INSERT INTO nope VALUES (1)", "CREATE TABLE b (id INTEGER)"]
                .into_iter()
                .map(|sql| Step::new(sql).after_answers())
                .collect();
        let mut done = Vec::new();
        let outcome = conn.send(&batch, &mut |reply| {
            if let Reply::Done { index, .. } = reply {
                done.push(index);
            }
            Flow::Continue
        });
        let Outcome::Failed { index: 1, error } = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.kind, ErrorKind::UndefinedTable, "{error}");
        assert_eq!(done, [0]);
        assert!(conn.query("SELECT * FROM a").unwrap().is_empty());
        assert_eq!(conn.query("SELECT * FROM b").unwrap_err().kind, ErrorKind::UndefinedTable);
    });
}

#[test]
fn a_syntax_error_points_at_its_byte() {
    on_each(|conn| {
        let sql = "SELECT 'é', 1 frm t WHERE true LIMIT 1";
        // `frm` is taken for a name of the column; the next word fits nowhere.
        let error = conn.execute(sql).unwrap_err();
        assert_eq!(error.position, sql.find("t WHERE"), "{error}");
    });
}

#[test]
fn a_step_that_must_be_inside_a_transaction_is_not_run_outside() {
    on_each(|conn| {
        let batch: Batch<'_> = ["CREATE TABLE a (id INTEGER)", "INSERT INTO a VALUES (1)"]
            .into_iter()
            .map(|sql| Step::new(sql).after_answers().inside())
            .collect();
        let provider = conn.provider();
        let outcome = conn.send(&batch, &mut |_| Flow::Continue);
        let Outcome::Failed { error, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.kind, ErrorKind::InFailedTransaction, "{provider}: {error}");
    });
}

#[test]
fn stop_sends_nothing_more() {
    on_each(|conn| {
        let batch: Batch<'_> = ["CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)"]
            .into_iter()
            .map(|sql| Step::new(sql).after_answers())
            .collect();
        let outcome = conn.send(&batch, &mut |reply| match reply {
            Reply::Done { index: 0, .. } => Flow::Stop,
            _ => Flow::Continue,
        });
        assert!(matches!(outcome, Outcome::Stopped { answered: 1 }), "{outcome:?}");
        assert_eq!(conn.query("SELECT * FROM b").unwrap_err().kind, ErrorKind::UndefinedTable);
    });
}

#[test]
fn a_batch_longer_than_the_window_is_answered_in_order() {
    on_each(|conn| {
        conn.execute("CREATE TABLE a (id INTEGER)").unwrap();
        let mut batch = Batch::default();
        for number in 0..Batch::WINDOW_STATEMENTS * 3 {
            // Some of them longer than the window's bytes.
            let padding =
                if number % 200 == 7 { "x".repeat(Batch::WINDOW_BYTES + 10) } else { String::new() };
            batch.push(Step::new(format!("INSERT INTO a VALUES ({number}) /* {padding} */")));
        }
        let mut order = Vec::new();
        let outcome = conn.send(&batch, &mut |reply| {
            if let Reply::Done { index, answer } = reply {
                assert_eq!(answer.rows, 1);
                order.push(index);
            }
            Flow::Continue
        });
        assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
        assert!(order.iter().copied().eq(0..batch.steps.len()));
        assert_eq!(conn.query("SELECT count(*) FROM a").unwrap(), [texts(&["768"])]);
    });
}
