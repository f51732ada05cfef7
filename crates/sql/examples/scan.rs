use std::time::Instant;
fn main() {
    let mut args = std::env::args().skip(1);
    let provider = diagnostics::Provider::from_name(&args.next().unwrap()).unwrap();
    for f in args {
        let text = std::fs::read_to_string(&f).unwrap();
        let t = Instant::now();
        let r = sql::split(&text, &sql::Options::new(provider));
        let el = t.elapsed();
        match r {
            Err(e) => println!("{f}: {e} {:?}", e.span),
            Ok(s) => {
                if text.len() > 1_000_000 { println!("{f} {} bytes {} statements {:?}", text.len(), s.statements.len(), el); continue; }
                for st in &s.statements {
                    let unk = st.actions.contains(&sql::Action::Unknown);
                    if st.kind == sql::Kind::Unknown || unk || st.session.calls_functions {
                        println!("{f}: {:?} fn={} {:?}", st.kind, st.session.calls_functions, st.span.slice(&text).chars().take(100).collect::<String>());
                    }
                }
            }
        }
    }
}
