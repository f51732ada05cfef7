//! The script tests in `fixtures/cli`: what a user does and sees.

use std::path::Path;
use testkit::script::{On, Suite};

#[test]
fn scripts_behave_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let suite = Suite {
        directory: &root.join("../../fixtures/cli"),
        binary: Path::new(env!("CARGO_BIN_EXE_cutover")),
        databases: &[On::Sqlite, On::Postgresql, On::Mysql],
    };
    println!("{}", suite.run());
}
