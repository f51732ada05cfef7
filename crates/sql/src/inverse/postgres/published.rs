//! The tables that a publication lists by name. Those of `FOR ALL TABLES` and `FOR TABLES IN SCHEMA` are nobody's to put back.

use super::super::state::State;
use super::super::text;
use super::POSTGRES;
use super::render;
use crate::action::Name;
use crate::snapshot::{Object, ObjectKind};
use crate::words::Words;

/// A table or a schema of the list.
struct Item<'t> {
    text: &'t str,
    what: What,
}

enum What {
    /// `TABLE ONLY public.a (id, x)`.
    Table { name: Name, has_columns: bool },
    /// `TABLES IN SCHEMA s`.
    Schema(String),
}

impl Item<'_> {
    fn is_of(&self, table: &Object) -> bool {
        matches!(&self.what, What::Table { name, .. } if *name == table.name)
    }
}

/// The definition of a publication: what stands before its list, the list, and what stands behind.
fn read(definition: &str) -> Option<(&str, Vec<Item<'_>>, &str)> {
    let tokens = text::tokens(definition, POSTGRES);
    let mut words = Words::new(definition, &tokens, POSTGRES);
    if !words.take_all(&["CREATE", "PUBLICATION"]) {
        return None;
    }
    words.part()?;
    let end = words.previous()?.span.end;
    if !words.take("FOR") || words.take("ALL") {
        return None;
    }
    let mut items = Vec::new();
    loop {
        let first = words.look(0)?;
        let what = if words.take_all(&["TABLES", "IN", "SCHEMA"]) {
            What::Schema(words.part()?)
        } else {
            words.take("TABLE");
            words.take("ONLY");
            let name = words.name()?;
            let has_columns = words.look(0).is_some_and(|token| token.is_symbol(b'('));
            if has_columns {
                words.skip_one();
            }
            if words.take("WHERE") {
                words.skip_one();
            }
            What::Table { name, has_columns }
        };
        items.push(Item { text: words.span_from(first).slice(definition), what });
        if !words.symbol(b',') {
            break;
        }
    }
    let behind = words.look(0).map_or("", |next| &definition[next.span.start..]);
    Some((&definition[..end], items, behind))
}

/// What a publication says of a table that it lists: `TABLE ONLY public.a (id) WHERE (id > 0)`.
pub(super) fn item(definition: &str, table: &Object) -> Option<String> {
    let (_, items, _) = read(definition)?;
    items.into_iter().find(|item| item.is_of(table)).map(|item| item.text.to_owned())
}

/// A publication that sends all columns of a table, whatever those are.
pub(super) fn all_columns<'s>(table: &Object, state: &'s State) -> Option<&'s str> {
    let sends = |definition: &str| {
        let tokens = text::tokens(definition, POSTGRES);
        let mut words = Words::new(definition, &tokens, POSTGRES);
        if words.skip_to("FOR") && words.take_all(&["ALL", "TABLES"]) {
            return true;
        }
        let items = read(definition).map(|(_, items, _)| items).unwrap_or_default();
        items.iter().any(|item| match &item.what {
            What::Table { has_columns, .. } => item.is_of(table) && !has_columns,
            What::Schema(schema) => table.name.schema.as_ref() == Some(schema),
        })
    };
    let mut all = state.now.objects.iter().filter(|(object, _)| object.kind == ObjectKind::Publication);
    all.find(|(_, definition)| sends(&definition.text)).map(|(object, _)| object.name.name.as_str())
}

/// The definition without a table.
pub(super) fn without(definition: &str, table: &Object) -> String {
    let Some((head, items, behind)) = read(definition) else { return definition.to_owned() };
    let left = items.iter().filter(|item| !item.is_of(table)).map(|item| item.text);
    let list = left.collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { list } else { format!(" FOR {list}") };
    format!("{head}{list} {behind}").trim_end().to_owned()
}

/// Puts a table into a publication.
pub(super) fn add(publication: &Object, item: &str) -> String {
    format!("ALTER PUBLICATION {} ADD {item}", render::quoted(&publication.name.name))
}

/// Takes a table out of a publication while it is kept. One that is somebody else's goes on listing it, as whoever drops a table needs no
/// right to its publications.
pub(super) fn take_off(publication: &Object, table: &Object) -> String {
    let change = format!(
        "ALTER PUBLICATION {} DROP TABLE {}",
        render::quoted(&publication.name.name),
        render::qualified(&table.name)
    );
    where_owned(publication, &change, "true")
}

/// The same back, where it was taken out.
pub(super) fn put_back(publication: &Object, table: &Object, item: &str) -> String {
    let listed = format!(
        "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = pg_catalog.to_regclass({}))",
        text::string(&render::qualified(&table.name))
    );
    where_owned(publication, &add(publication, item), &listed)
}

fn where_owned(publication: &Object, change: &str, and: &str) -> String {
    text::block(&format!(
        "BEGIN IF EXISTS (SELECT 1 FROM pg_catalog.pg_publication p WHERE p.pubname = {} AND pg_catalog.pg_has_role(p.pubowner, 'USAGE') AND {and}) THEN \
         {change}; END IF; END",
        text::string(&publication.name.name)
    ))
}

#[cfg(test)]
mod tests {
    use super::{item, without};
    use crate::action::Name;
    use crate::snapshot::{Object, ObjectKind};

    #[test]
    fn a_table_is_found_in_the_list_and_taken_out() {
        let name = Name { schema: Some("public".to_owned()), name: "a".to_owned() };
        let table = Object { kind: ObjectKind::Table, name };
        let text = "CREATE PUBLICATION \"p, FOR\" FOR TABLE ONLY public.a (id, x) WHERE ((x > 0)), TABLE ONLY public.b, TABLES IN SCHEMA s WITH (publish = 'insert')";
        assert_eq!(item(text, &table).unwrap(), "TABLE ONLY public.a (id, x) WHERE ((x > 0))");
        assert_eq!(
            without(text, &table),
            "CREATE PUBLICATION \"p, FOR\" FOR TABLE ONLY public.b, TABLES IN SCHEMA s WITH (publish = 'insert')"
        );
        let alone = "CREATE PUBLICATION p FOR TABLE ONLY public.a WITH (publish = 'insert')";
        assert_eq!(without(alone, &table), "CREATE PUBLICATION p WITH (publish = 'insert')");
        for other in [
            "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert')",
            "CREATE PUBLICATION p WITH (publish = '')",
        ] {
            assert_eq!(item(other, &table), None);
        }
    }
}
