//! The keys of an index, after which the server names one that the statement leaves unnamed.

use super::tree::{fold, identifier};
use crate::action::{CreateIndex, IndexKey};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{Parse, SourceFile, SyntaxKind, SyntaxNode};

/// The keys and the INCLUDE columns of the only CREATE INDEX of a text.
pub(super) fn keys(parse: &Parse<SourceFile>) -> Option<(Vec<IndexKey>, Vec<String>)> {
    if !parse.errors().is_empty() {
        return None;
    }
    let statement = parse.tree().syntax().children().find_map(ast::CreateIndex::cast)?;
    let keys = statement.partition_item_list()?.partition_items().map(|item| key(&item)).collect();
    let include = statement
        .index_include_clause()
        .and_then(|clause| clause.partition_item_list())
        .into_iter()
        .flat_map(|list| list.partition_items())
        .filter_map(|item| match key(&item) {
            IndexKey::Column(name) => Some(name),
            IndexKey::Expression { .. } => None,
        })
        .collect();
    Some((keys, include))
}

fn key(item: &ast::PartitionItem) -> IndexKey {
    match item.expr() {
        Some(ast::Expr::NameRef(name)) => IndexKey::Column(identifier(name.syntax())),
        Some(expression) => {
            let label = label(&expression).map_or_else(CreateIndex::unlabelled, |label| label.text);
            IndexKey::Expression { label }
        }
        None => IndexKey::Expression { label: CreateIndex::unlabelled() },
    }
}

/// A name that the server would derive from an expression.
struct Label {
    text: String,
    /// A cast keeps a strong name and replaces a weak one by the type's.
    strong: bool,
}

impl Label {
    fn strong(text: impl Into<String>) -> Option<Self> {
        Some(Self { text: text.into(), strong: true })
    }

    fn weak(text: impl Into<String>) -> Option<Self> {
        Some(Self { text: text.into(), strong: false })
    }
}

fn label(expression: &ast::Expr) -> Option<Label> {
    match expression {
        ast::Expr::NameRef(name) => Label::strong(identifier(name.syntax())),
        ast::Expr::FieldExpr(field) => Label::strong(last_part(field.syntax())),
        ast::Expr::ParenExpr(inner) => label(&inner.expr()?),
        ast::Expr::Collate(collate) => label(&collate.syntax().children().find_map(ast::Expr::cast)?),
        ast::Expr::CallExpr(call) => call_label(call),
        ast::Expr::CastExpr(cast) => match cast.expr().and_then(|inner| label(&inner)) {
            Some(inner) if inner.strong => Some(inner),
            weak => cast.ty().map_or(weak, |ty| Label::weak(type_name(&ty))),
        },
        ast::Expr::CaseExpr(case) => {
            let otherwise = case
                .else_clause()
                .and_then(|clause| label(&clause.syntax().children().find_map(ast::Expr::cast)?));
            otherwise.filter(|label| label.strong).map_or_else(|| Label::weak("case"), Some)
        }
        // Of `data['x']` the column counts.
        ast::Expr::IndexExpr(_) | ast::Expr::SliceExpr(_) => {
            label(&expression.syntax().children().find_map(ast::Expr::cast)?)
        }
        // AT TIME ZONE is a spelling of the function.
        ast::Expr::BinExpr(_) | ast::Expr::PostfixExpr(_) => {
            let zone = |kind| matches!(kind, SyntaxKind::AT_TIME_ZONE | SyntaxKind::AT_LOCAL);
            expression.syntax().children().any(|child| zone(child.kind())).then_some(())?;
            Label::strong("timezone")
        }
        ast::Expr::ArrayExpr(_) => Label::strong("array"),
        ast::Expr::TupleExpr(tuple) => {
            tuple.syntax().to_string().to_ascii_lowercase().starts_with("row").then_some(())?;
            Label::strong("row")
        }
        _ => None,
    }
}

fn call_label(call: &ast::CallExpr) -> Option<Label> {
    if let Some(function) = call.expr() {
        return Label::strong(last_part(function.syntax()));
    }
    // TRIM is a spelling of three functions; the other forms have a function of their own name.
    if let Some(trim) = call.trim_fn() {
        let text = trim.syntax().to_string().to_ascii_uppercase();
        let inside = text.trim_start_matches("TRIM").trim_start().trim_start_matches('(').trim_start();
        return Label::strong(match () {
            () if inside.starts_with("LEADING") => "ltrim",
            () if inside.starts_with("TRAILING") => "rtrim",
            () => "btrim",
        });
    }
    Label::strong(call.syntax().first_token()?.text().to_ascii_lowercase())
}

/// The catalogue's name of a type, without its modifiers.
fn type_name(ty: &ast::Type) -> String {
    let text = ty.syntax().to_string();
    let bare = text.split(['(', '[']).next().unwrap_or(&text).trim().to_ascii_lowercase();
    match bare.as_str() {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "decimal" => "numeric",
        "char" | "character" => "bpchar",
        "character varying" => "varchar",
        _ => return last_part(ty.syntax()),
    }
    .to_owned()
}

/// The last name of a dotted one.
fn last_part(node: &SyntaxNode) -> String {
    let text = node.to_string();
    // A dot inside quotes is part of a name; there an odd number of quotes precedes it.
    let dot = text
        .rmatch_indices('.')
        .map(|(at, _)| at)
        .find(|&at| text[..at].matches('"').count().is_multiple_of(2));
    fold(text[dot.map_or(0, |at| at + 1)..].trim())
}
