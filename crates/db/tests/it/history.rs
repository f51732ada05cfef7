//! The history table.

use crate::on_each;
use db::history::{self, History, NewRow, Standing, Table, Time};
use db::{Conn, ErrorKind};
use diagnostics::Provider;

/// 2024-01-01 00:00:00.123456 UTC
const BEGINS: Time = Time(1_704_067_200_123_456);

fn table(conn: &mut dyn Conn) -> Table {
    let schema = match conn.provider() {
        Provider::MySql => conn.query("SELECT DATABASE()").unwrap().remove(0).remove(0).unwrap(),
        Provider::PostgreSql | Provider::Sqlite => "public".to_owned(),
    };
    let table = Table::new(conn.provider(), &schema);
    assert_eq!(history::read(conn, &table).unwrap(), History::default(), "no table is an empty history");
    assert!(!history::exists(conn, &table).unwrap());
    conn.execute(&table.create()).unwrap();
    assert!(history::exists(conn, &table).unwrap());
    assert!(!history::logs_required(conn, &table).unwrap());
    table
}

#[test]
fn a_finished_row_is_read_back_as_it_was_written() {
    on_each(|conn| {
        let table = table(conn);
        let name = "20240101_é'\\\"";
        let id = History::default().next_id(name);
        // A moment in the future: what comes next must come after it all the same.
        let after = Time::parse("2999-01-01 00:00:00").unwrap();
        let row = NewRow { id: &id, checksum: &"a".repeat(64), name, after: Some(after) };
        conn.execute(&table.insert_finished(&row, BEGINS)).unwrap();
        let history = history::read(conn, &table).unwrap();
        let [read] = &history.rows[..] else { panic!("{history:?}") };
        assert_eq!((read.migration_name.as_str(), read.id.as_str()), (name, id.as_str()));
        assert!(read.is_applied() && read.started_at > after && read.finished_at >= Some(read.started_at));
        assert_eq!((read.applied_steps_count, read.logs.as_deref()), (1, None));
        assert_eq!(history.last_start(), Some(read.started_at));
    });
}

#[test]
fn a_row_of_sqlite_begins_when_it_is_said_to_and_ends_when_it_is_written() {
    on_each(|conn| {
        let mut table = table(conn);
        if table.provider != Provider::Sqlite {
            return;
        }
        for (text_times, begins) in [(false, "1704067200123"), (true, "2024-01-01T00:00:00.123+00:00")] {
            table.text_times = text_times;
            let row = NewRow { id: begins, checksum: "c", name: begins, after: None };
            conn.execute(&table.insert_finished(&row, BEGINS)).unwrap();
            let sql = format!(
                "SELECT started_at, finished_at > started_at FROM _prisma_migrations WHERE id = '{begins}'"
            );
            assert_eq!(conn.query(&sql).unwrap(), [[Some(begins.to_owned()), Some("1".to_owned())]]);
        }
    });
}

#[test]
fn a_second_live_row_of_a_name_and_a_second_row_of_an_id_are_refused() {
    on_each(|conn| {
        let table = table(conn);
        let row = |id| NewRow { id, checksum: "c", name: "m", after: None };
        conn.execute(&table.insert_unfinished(&row("1"), "cutover:{}", BEGINS)).unwrap();
        let live = conn.execute(&table.insert_finished(&row("2"), BEGINS)).unwrap_err();
        assert_eq!(
            (live.kind, live.object.as_deref()),
            (ErrorKind::NotNullViolation, Some("migration_name"))
        );
        conn.execute(&table.mark_rolled_back("m")).unwrap();
        let same = conn.execute(&table.insert_finished(&row("1"), BEGINS)).unwrap_err();
        assert_eq!(same.kind, ErrorKind::UniqueViolation);
        conn.execute(&table.insert_marked(&row("2"))).unwrap();
        let history = history::read(conn, &table).unwrap();
        let shape: Vec<_> =
            history.rows.iter().map(|row| (row.is_applied(), row.applied_steps_count)).collect();
        assert_eq!(shape, [(false, 0), (true, 0)]);
    });
}

#[test]
fn only_an_unfinished_row_can_be_moved_on() {
    on_each(|conn| {
        let table = table(conn);
        let row = NewRow { id: "1", checksum: "old", name: "m", after: None };
        conn.execute(&table.insert_unfinished(&row, "cutover:{\"x\":1}\nboom", BEGINS)).unwrap();
        let read = |conn: &mut dyn Conn| history::read(conn, &table).unwrap().rows.remove(0);
        assert_eq!(read(conn).progress(), Some("{\"x\":1}"));
        let (first, second) = ("cutover:{\"x\":1}\nboom", "cutover:{\"x\":2}");
        let standing = |logs| Standing { id: "1", logs };
        conn.execute(&table.update_progress(standing(first), 3, second)).unwrap();
        assert_eq!((read(conn).progress(), read(conn).applied_steps_count), (Some("{\"x\":2}"), 3));
        // Who has read the row before hits nothing.
        conn.execute(&table.update_progress(standing(first), 9, "x")).unwrap();
        conn.execute(&table.finish(standing(first), "x")).unwrap();
        conn.execute(&table.delete(standing(first))).unwrap();
        assert_eq!((read(conn).progress(), read(conn).applied_steps_count), (Some("{\"x\":2}"), 3));
        conn.execute(&table.finish(standing(second), "new")).unwrap();
        let finished = read(conn);
        assert_eq!(
            (finished.checksum.as_str(), finished.applied_steps_count, finished.logs),
            ("new", 1, None)
        );
        // All of these must hit nothing now.
        for sql in [
            table.update_progress(standing(second), 9, "x"),
            table.finish(standing(second), "x"),
            table.delete(standing(second)),
            table.mark_rolled_back("m"),
        ] {
            conn.execute(&sql).unwrap();
        }
        assert_eq!(read(conn).checksum, "new");
        assert!(read(conn).is_applied());
    });
}
