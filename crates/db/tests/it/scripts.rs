//! Stored scripts: those of a row are replaced by others, or stay.

use crate::on_each;
use db::Conn;
use db::state::scripts::{Scripts, read, store};
use db::state::{ensure, name};
use diagnostics::Provider;

fn scripts(migration: &str, down: &str) -> Scripts {
    Scripts {
        id: migration.to_owned(),
        history: "own".to_owned(),
        migration: migration.to_owned(),
        up: "up".to_owned(),
        down: Some(down.to_owned()),
        ..Scripts::default()
    }
}

/// From now on the server refuses what says `refused`: the statement that writes it has no effect at all.
fn refuse(conn: &mut dyn Conn) {
    let provider = conn.provider();
    let table = name(provider, "scripts");
    let before = format!("BEFORE INSERT ON {table} FOR EACH ROW");
    match provider {
        Provider::PostgreSql => conn
            .execute(&format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.down_sql = 'refused' THEN RAISE 'refused'; \
                 END IF; RETURN NEW; END $$; CREATE TRIGGER refuse {before} EXECUTE FUNCTION refuse()"
            ))
            .unwrap(),
        Provider::MySql => conn
            .execute(&format!(
                "CREATE TRIGGER refuse {before} IF NEW.down_sql = 'refused' THEN SIGNAL SQLSTATE '45000'; END IF"
            ))
            .unwrap(),
        Provider::Sqlite => conn
            .execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON _cutover_scripts FOR EACH ROW WHEN NEW.down_sql = 'refused' BEGIN SELECT \
                 RAISE(ABORT, 'refused'); END",
            )
            .unwrap(),
    }
}

#[test]
fn a_way_back_that_is_stored_is_replaced_or_stays() {
    on_each(|conn| {
        ensure(conn).unwrap();
        let kept = |conn: &mut dyn Conn| -> Vec<(String, Option<String>)> {
            let all = read(conn, "own").unwrap();
            all.into_iter().map(|scripts| (scripts.migration, scripts.down)).collect()
        };
        let told = |down: &str| ("1".to_owned(), Some(down.to_owned()));
        store(conn, &[scripts("1", "first")]).unwrap();
        store(conn, &[scripts("1", "second"), scripts("2", "its own")]).unwrap();
        let both = [told("second"), ("2".to_owned(), Some("its own".to_owned()))];
        assert_eq!(kept(conn), both, "{:?}", conn.provider());
        refuse(conn);
        store(conn, &[scripts("1", "refused")]).unwrap_err();
        assert_eq!(kept(conn), both, "{:?}", conn.provider());
        store(conn, &[scripts("1", "third")]).unwrap();
        assert_eq!(kept(conn)[0], told("third"), "{:?}", conn.provider());
    });
}
