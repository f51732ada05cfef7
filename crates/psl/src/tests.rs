//! Tests of the parser on whole schemas.

use crate::ast::{BlockKind, Value};
use crate::{Config, Parse, UrlValue};
use diagnostics::{Diagnostic, Source};
use proptest::prelude::*;
use rowan::ast::AstNode;

fn parse(text: &str) -> Parse {
    let parse = crate::parse(&Source::new("schema.prisma", text));
    assert_eq!(parse.syntax().text().to_string(), text, "the tree holds the text");
    parse
}

/// `line:column title (label)` of each finding.
fn told(findings: &[Diagnostic]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let label = &finding.labels[0];
            let position = label.source.position(label.span.start);
            assert_eq!(finding.code.unwrap().id, "P1012");
            assert!(finding.help.is_some());
            let label =
                if label.message.is_empty() { String::new() } else { format!(" ({})", label.message) };
            format!("{}:{} {}{label}", position.line, position.column, finding.title)
        })
        .collect()
}

fn config(text: &str) -> (Config, Vec<String>) {
    let parse = parse(text);
    assert_eq!(told(parse.diagnostics()), [""; 0]);
    let (config, findings) = crate::config(&[parse]);
    (config, told(&findings))
}

const WHOLE: &str = r#"// a comment
datasource db {
  provider  = "postgresql" // which
  url       = env("DATABASE_URL")
  directUrl = "postgresql://u:p@h/d"
  schemas   = ["public", "other"]
  extensions = [pg_trgm, postgis(version: "3.1", schema: "gis")]
}

generator client {
  provider        = "prisma-client-js"
  previewFeatures = ["postgresqlExtensions", "views"]
  output          = "../client"
}

/// A user.
/// Of several lines.
model User {
  id        Int       @id @default(autoincrement())
  email     String    @unique @db.VarChar(255) /// trailing
  role      Role?     @default(USER)
  tags      String[]  @default(["a", "b\"c"])
  score     Float     @default(-1.5)
  place     Unsupported("geometry(Point, 4326)")?
  posts     Post[]
  manager   User?     @relation("Managers", fields: [managerId], references: [id], onDelete: Cascade, map: "fk")
  managerId Int?
  /* several
     lines */
  @@index([email(ops: raw("gin_trgm_ops"), sort: Desc)], type: Gin)
  @@unique(
    fields: [id, email],
    // inside
    name: "both",
  )
  @@map("users")
  @@schema("public")
}

view Seen {
  id Int
  @@ignore
}

type Address {
  street String
}

enum Role {
  USER  @map("user")
  ADMIN
  @@map("role")
}
"#;

#[test]
fn the_whole_grammar_is_understood() {
    let parse = parse(WHOLE);
    assert_eq!(told(parse.diagnostics()), [""; 0]);
    let blocks: Vec<_> = parse
        .blocks()
        .map(|block| (block.kind().unwrap(), block.name().unwrap().text().to_owned()))
        .collect();
    let expected = [
        (BlockKind::Datasource, "db"),
        (BlockKind::Generator, "client"),
        (BlockKind::Model, "User"),
        (BlockKind::View, "Seen"),
        (BlockKind::CompositeType, "Address"),
        (BlockKind::Enum, "Role"),
    ];
    assert_eq!(blocks, expected.map(|(kind, name)| (kind, name.to_owned())));
}

#[test]
fn fields_have_types_and_attributes() {
    let parse = parse(WHOLE);
    let user = parse.blocks().nth(2).unwrap();
    let fields: Vec<String> = user
        .fields()
        .map(|field| {
            let kind = field.field_type().unwrap();
            let base = kind.name().unwrap_or_else(|| format!("<{}>", kind.unsupported().unwrap()));
            let list = if kind.is_list() { "[]" } else { "" };
            let optional = if kind.is_optional() { "?" } else { "" };
            let attributes: Vec<String> = field.attributes().map(|attribute| attribute.name()).collect();
            format!("{} {base}{list}{optional} {}", field.name().unwrap().text(), attributes.join(","))
        })
        .collect();
    assert_eq!(
        fields,
        [
            "id Int id,default",
            "email String unique,db.VarChar",
            "role Role? default",
            "tags String[] default",
            "score Float default",
            "place <geometry(Point, 4326)>? ",
            "posts Post[] ",
            "manager User? relation",
            "managerId Int? ",
        ]
    );
    let attributes: Vec<String> = user.attributes().map(|attribute| attribute.name()).collect();
    assert_eq!(attributes, ["index", "unique", "map", "schema"]);
    let role = parse.blocks().nth(5).unwrap();
    let values: Vec<String> = role.values().map(|value| value.name().unwrap().text().to_owned()).collect();
    assert_eq!(values, ["USER", "ADMIN"]);
    assert_eq!(role.values().next().unwrap().attributes().next().unwrap().name(), "map");
}

#[test]
fn arguments_have_names_and_values() {
    let parse = parse(WHOLE);
    let user = parse.blocks().nth(2).unwrap();
    let relation = user.fields().nth(7).unwrap().attributes().next().unwrap();
    let arguments: Vec<(Option<String>, Value)> = relation
        .arguments()
        .into_iter()
        .map(|argument| {
            (argument.name().map(|name| name.text().to_owned()), argument.value().unwrap().value())
        })
        .collect();
    assert_eq!(arguments[0], (None, Value::String("Managers".to_owned())));
    assert_eq!(arguments[3], (Some("onDelete".to_owned()), Value::Constant("Cascade".to_owned())));
    match &arguments[1] {
        (Some(name), Value::Array(items)) => {
            assert_eq!(name, "fields");
            assert_eq!(items[0].value(), Value::Constant("managerId".to_owned()));
        }
        other => panic!("{other:?}"),
    }
    let index = user.attributes().next().unwrap().arguments();
    match index[0].value().unwrap().value() {
        Value::Array(items) => match items[0].value() {
            Value::Call { name, arguments } => {
                assert_eq!((name.as_str(), arguments.len()), ("email", 2));
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_bad_line_is_one_finding() {
    let parse = parse(
        "model A {\n  id Int @id\n  only\n  name String @@ x(\n  list String[\n  9 Int\n  last Int @default(1 2)\n  ok Int\n}\n\
         \nenum E {\n  A = 1\n  B\n}\n\
         datasource db {\n  provider \"x\"\n  url =\n}\n\
         generator g {\n  a = \"open\n  b = 1\n}\n",
    );
    let field = "Error validating: This line is not a valid field or attribute definition.";
    let datasource = "Error validating: This line is not a valid definition within a datasource.";
    let generator = "Error validating: This line is not a valid definition within a generator.";
    assert_eq!(
        told(parse.diagnostics()),
        [
            "3:3 Error validating model \"A\": This field declaration is invalid. It is either missing a name or a type. (expected a type)".to_owned(),
            format!("4:15 {field} (expected the end of the line)"),
            format!("5:3 {field} (expected `]`)"),
            format!("6:3 {field} (expected a name)"),
            format!("7:23 {field} (expected `,` or `)`)"),
            "12:5 Error validating: This line is not an enum value definition. (expected the end of the line)"
                .to_owned(),
            format!("16:12 {datasource} (expected `=`)"),
            "17:3 Property url in datasource db needs to be assigned a value (expected a value)".to_owned(),
            format!("20:7 {generator} (expected a closing `\"` on this line)"),
        ]
    );
    let fields: Vec<String> = parse
        .blocks()
        .next()
        .unwrap()
        .fields()
        .filter_map(|field| field.name().map(|name| name.text().to_owned()))
        .collect();
    assert_eq!(fields, ["id", "only", "name", "list", "last", "ok"], "what was understood is there");
}

#[test]
fn lines_and_blocks_that_begin_with_no_keyword() {
    let parse =
        parse("hello world\n}\nmodle A {\n  id Int\n  b { }\n}\nmodel B {\n  id Int\n}\nmodel {\n}\n");
    assert_eq!(
        told(parse.diagnostics()),
        [
            "1:1 Error validating: This line is invalid. It does not start with any known Prisma schema keyword.",
            "2:1 Error validating: This line is invalid. It does not start with any known Prisma schema keyword.",
            "3:1 Error validating: This block is invalid. It does not start with any known Prisma schema keyword. Valid keywords include 'model', 'enum', 'type', 'datasource' and 'generator'.",
            "10:1 Error validating: This block is invalid. It does not start with any known Prisma schema keyword. Valid keywords include 'model', 'enum', 'type', 'datasource' and 'generator'. (it has no name)",
        ]
    );
    assert_eq!(parse.blocks().count(), 2);
}

#[test]
fn a_block_without_its_brace_does_not_swallow_the_next_one() {
    let parse = parse("model A {\n  id Int\n\nenum B {\n  X\n}\nfoo {\n  x\nmodel C {\n  model String\n");
    assert_eq!(
        told(parse.diagnostics()),
        [
            "1:1 Error validating: This block is not closed. (the block begins here)",
            "7:1 Error validating: This block is invalid. It does not start with any known Prisma schema keyword. Valid keywords include 'model', 'enum', 'type', 'datasource' and 'generator'.",
            "9:1 Error validating: This block is not closed. (the block begins here)",
        ]
    );
    let names: Vec<String> = parse.blocks().map(|block| block.name().unwrap().text().to_owned()).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert_eq!(parse.blocks().nth(2).unwrap().fields().count(), 1, "a field may be called `model`");
}

#[test]
fn a_parenthesis_that_is_not_closed_costs_one_line() {
    let parse = parse(
        "model A {\n  id Int @default(\n}\nmodel B {\n  id Int @default(now(\n  b String\n  c Int\n}\n",
    );
    let field = "Error validating: This line is not a valid field or attribute definition.";
    assert_eq!(
        told(parse.diagnostics()),
        [format!("2:3 {field} (expected a value)"), format!("6:5 {field} (expected `,` or `)`)")]
    );
    assert_eq!(parse.blocks().count(), 2);
}

#[test]
fn line_ends_marks_and_single_lines() {
    for text in [
        "\u{feff}datasource db {\r\n  provider = \"sqlite\"\r\n  url = \"file:./dev.db\"\r\n}\r\n",
        "datasource db { provider = \"sqlite\" }",
        "",
        "\n\n",
        "// only a comment",
    ] {
        assert_eq!(told(parse(text).diagnostics()), [""; 0], "{text:?}");
    }
}

#[test]
fn an_open_comment_and_unknown_escapes_are_told() {
    let parse = parse("model A {\n  id String @default(\"C:\\db \\n \\q\")\n}\n/* open");
    assert_eq!(
        told(parse.diagnostics()),
        [
            "2:25 Unknown escape sequence. If the value is a windows-style path, `\\` must be escaped as `\\\\`.",
            "4:1 Error validating: This comment is not closed. (the comment begins here)",
        ]
    );
}

#[test]
fn escapes_are_those_of_json() {
    for (token, value) in [
        (r#""a\"b\\c\n\t\r\/""#, "a\"b\\c\n\t\r/"),
        (r#""\u00e9\ud83d\ude80""#, "é🚀"),
        (r#""\ud83d x""#, r"\ud83d x"),
        (r#""\u12""#, r"\u12"),
        (r#""""#, ""),
    ] {
        assert_eq!(crate::ast::unescape(token).0, value);
    }
    assert_eq!(crate::ast::unescape(r#""ab\q""#).1, Some(3));
    let parse = parse("model A {\n  a String @default(\"\\u12\")\n}\n");
    assert_eq!(told(parse.diagnostics()), ["2:22 Invalid unicode escape sequence."]);
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let text = format!("model A {{\n  id Int @default({})\n}}\n", "[".repeat(100_000));
    let parse = parse(&text);
    assert_eq!(parse.diagnostics().len(), 1);
    assert_eq!(parse.diagnostics()[0].labels[0].message, "expected less deeply nested values");
}

#[test]
fn the_datasource_is_read_with_places() {
    let (config, findings) = config(WHOLE);
    assert_eq!(findings, [""; 0]);
    let [datasource] = &config.datasources[..] else { panic!() };
    assert_eq!(datasource.name.value, "db");
    assert_eq!(datasource.name.location(), "schema.prisma:2:1");
    assert_eq!(datasource.provider.value, "postgresql");
    assert_eq!(datasource.provider.location(), "schema.prisma:3:15");
    let url = datasource.url.as_ref().unwrap();
    assert!(matches!(&url.value, UrlValue::Env(name) if name == "DATABASE_URL"));
    assert_eq!(url.location(), "schema.prisma:4:15");
    assert_eq!(url.span.slice(url.source.text()), "env(\"DATABASE_URL\")");
    let direct = datasource.direct_url.as_ref().unwrap();
    assert!(matches!(&direct.value, UrlValue::Literal(url) if url.expose() == "postgresql://u:p@h/d"));
    assert!(datasource.shadow_database_url.is_none());
    let schemas: Vec<&str> = datasource.schemas.iter().map(|schema| schema.value.as_str()).collect();
    assert_eq!(schemas, ["public", "other"]);
    assert_eq!(datasource.span.slice(WHOLE).lines().count(), 7);
    assert_eq!(config.generators[0].provider.as_ref().unwrap().value, "prisma-client-js");
}

#[test]
fn what_is_wrong_in_a_datasource_is_told_in_the_words_of_the_reference() {
    for (body, expected) in [
        ("url = \"file:x\"", "1:1 Argument \"provider\" is missing in data source block \"db\"."),
        (
            "provider = [\"postgresql\", \"sqlite\"]",
            "2:12 Error validating datasource `db`: The provider argument in a datasource must be a string literal",
        ),
        (
            "provider = env(\"P\")",
            "2:12 A datasource must not use the env() function in the provider argument.",
        ),
        (
            "provider = 1",
            "2:12 Error validating datasource `db`: The provider argument in a datasource must be a string literal",
        ),
        (
            "provider = \"x\"\nurl = env(DATABASE_URL)",
            "3:7 Expected a String value, but received env() without the name of one variable.",
        ),
        (
            "provider = \"x\"\nurl = process.env.X",
            "3:7 Expected a String value, but received a literal value.",
        ),
        (
            "provider = \"x\"\nurl = concat(\"a\", \"b\")",
            "3:7 Expected a String value, but received the function `concat`.",
        ),
        ("provider = \"x\"\ndirectURL = env(\"X\")", "3:1 Property not known: \"directURL\"."),
        (
            "provider = \"x\"\nurl = env(\"A\")\nurl = env(\"B\")",
            "4:1 Key \"url\" is already defined in data source \"db\".",
        ),
        (
            "provider = \"x\"\npreviewFeatures = []",
            "3:1 Preview features are only supported in the generator block. Please move this field to the generator block.",
        ),
        ("provider = \"x\"\nschemas = []", "3:11 If provided, the schemas array can not be empty."),
        (
            "provider = \"x\"\nschemas = 1",
            "3:11 Expected a String array value, but received a numeric value.",
        ),
        (
            "provider = \"x\"\nurl = env(\"A\")\nshadowDatabaseUrl = env(\"A\")",
            "3:7 shadowDatabaseUrl is the same as url for datasource \"db\". Please specify a different database as shadow database to avoid data loss.",
        ),
        (
            "provider = \"x\"\ndirectUrl = \"u\"\nshadowDatabaseUrl = \"u\"",
            "3:13 shadowDatabaseUrl is the same as directUrl for datasource \"db\". Please specify a different database as shadow database to avoid data loss.",
        ),
    ] {
        let (_, findings) = config(&format!("datasource db {{\n{body}\n}}\n"));
        assert_eq!(findings, [expected], "{body}");
    }
}

#[test]
fn a_line_that_was_not_understood_is_told_once_and_with_its_line() {
    let text = "datasource db {\n  provider \"x\"\n}\n";
    let parse = parse(text);
    assert_eq!(parse.diagnostics().len(), 1);
    let label = &parse.diagnostics()[0].labels[0];
    assert_eq!(label.span.slice(text), "\"x\"");
    assert_eq!(label.window.unwrap().slice(text), "provider \"x\"\n");
    let (config, findings) = crate::config(&[parse]);
    assert!(config.datasources.is_empty());
    assert_eq!(told(&findings), [""; 0], "that the provider is missing is not said as well");
}

#[test]
fn a_second_datasource_is_an_error_also_in_another_file() {
    let one = "datasource a {\n  provider = \"sqlite\"\n}\n";
    let (first, second) = (parse(one), crate::parse(&Source::new("b.prisma", one.replace(" a ", " b "))));
    let (config, findings) = crate::config(&[first, second]);
    assert_eq!(config.datasources.len(), 2);
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[1].location().as_deref(), Some("b.prisma:1:1"));
    assert!(
        findings[1]
            .title
            .starts_with("Error validating datasource `b`: You defined more than one datasource.")
    );
}

#[test]
fn a_literal_url_is_shown_nowhere() {
    for line in [
        "url = \"postgresql://u:hunter2ß@h/d\"",
        "url = \"postgresql://u:hunter2ß@h/d",
        "url = \"postgresql://u:hunter2ß@h/d\" x",
        "url = [\"postgresql://u:hunter2ß@h/d\"]",
        "url = \"postgresql://u:hunter2ß@h/d\"\n shadowDatabaseUrl = \"postgresql://u:hunter2ß@h/d\"",
    ] {
        let parse = parse(&format!("datasource db {{\n provider = \"postgresql\"\n {line}\n}}\n"));
        let (config, findings) = crate::config(std::slice::from_ref(&parse));
        let all = format!("{:?} {config:?} {findings:?}", parse.diagnostics());
        assert!(!all.contains("hunter2"), "{all}");
        assert_eq!(parse.shown().text().len(), parse.source().text().len());
        if let Some(url) = config.datasources[0].url.as_ref() {
            assert_eq!(url.span.slice(parse.source().text()), "\"postgresql://u:hunter2ß@h/d\"");
        }
    }
}

/// Pieces of schemas, so that random texts come near to what the grammar reads.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "model ",
        "enum ",
        "datasource db {",
        "{",
        "}",
        "\n",
        "\r\n",
        " ",
        "id ",
        "Int",
        "?",
        "[]",
        "@id",
        "@@",
        "@default(",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "=",
        ".",
        "\"a\"",
        "\"",
        "\\",
        "1",
        "-",
        "// c",
        "/// d",
        "/* e */",
        "/*",
        "*/",
        "Unsupported(",
        "env(\"X\")",
        "é",
        "\u{feff}",
    ];
    prop_oneof![
        9 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #[test]
    fn every_text_is_held_whole(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let parse = crate::parse(&Source::new("schema.prisma", text.as_str()));
        prop_assert_eq!(parse.syntax().text().to_string(), text.as_str());
        for finding in parse.diagnostics() {
            let span = finding.labels[0].span;
            prop_assert!(text.get(span.start..span.end).is_some(), "{:?}", span);
            if let Some(window) = finding.labels[0].window {
                prop_assert!(text.get(window.start..window.end).is_some(), "{:?}", window);
                prop_assert!(window.start <= span.start && span.end <= window.end, "{:?} {:?}", window, span);
            }
        }
        let _ = crate::config(std::slice::from_ref(&parse));
        for block in parse.blocks() {
            prop_assert!(block.syntax().text_range().contains_range(block.head()));
        }
    }

    #[test]
    fn a_text_of_lines_has_at_most_one_finding_a_line(
        lines in proptest::collection::vec("[a-zA-Z0-9 @?=.,!]{0,20}", 0..12),
    ) {
        let text = format!("model A {{\n{}\n}}\n", lines.join("\n"));
        let parse = crate::parse(&Source::new("schema.prisma", text.as_str()));
        prop_assert!(parse.diagnostics().len() <= lines.len());
        prop_assert_eq!(parse.blocks().count(), 1);
    }
}
