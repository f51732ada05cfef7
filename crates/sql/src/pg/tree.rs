//! Looking at nodes: children by kind, names as the catalogue holds them, texts.

use crate::action::Name;
use crate::words::unquote_name;
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// The first child of this kind.
pub(super) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// Whether there is a child of this kind.
pub(super) fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    child(node, kind).is_some()
}

/// The children of this kind.
pub(super) fn all(node: &SyntaxNode, kind: SyntaxKind) -> impl Iterator<Item = SyntaxNode> {
    node.children().filter(move |child| child.kind() == kind)
}

/// Whether this keyword stands in the node itself, not in its children.
pub(super) fn has_word(node: &SyntaxNode, word: SyntaxKind) -> bool {
    node.children_with_tokens().any(|element| element.kind() == word)
}

/// The text without space around it.
pub(super) fn text(node: &SyntaxNode) -> String {
    node.text().to_string().trim().to_owned()
}

/// A name without its quotes, in the case of the catalogue.
pub(super) fn fold(raw: &str) -> String {
    let quoted = raw.starts_with('"') || raw.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("u&\""));
    if quoted { unquote_name(raw) } else { raw.to_ascii_lowercase() }
}

/// The text of a node that is one name.
pub(super) fn identifier(node: &SyntaxNode) -> String {
    fold(&text(node))
}

/// The name in the first child of this kind, where that is one part.
pub(super) fn part(node: &SyntaxNode, kind: SyntaxKind) -> Option<String> {
    child(node, kind).map(|child| identifier(&child))
}

/// The names in the children of this kind.
pub(super) fn parts(node: &SyntaxNode, kind: SyntaxKind) -> Vec<String> {
    all(node, kind).map(|child| identifier(&child)).collect()
}

/// The dotted name in or under the node; of three parts the last two count.
pub(super) fn name(node: &SyntaxNode) -> Option<Name> {
    named(segments(node))
}

/// The name in the first child of this kind.
pub(super) fn name_in(node: &SyntaxNode, kind: SyntaxKind) -> Option<Name> {
    name(&child(node, kind)?)
}

/// The names in the children of this kind.
pub(super) fn names(node: &SyntaxNode, kind: SyntaxKind) -> Vec<Name> {
    all(node, kind).filter_map(|child| name(&child)).collect()
}

/// The table of a column that is written with its table.
pub(super) fn table_of_column(node: &SyntaxNode) -> Option<Name> {
    let mut parts = segments(node);
    parts.pop()?;
    named(parts)
}

fn segments(node: &SyntaxNode) -> Vec<String> {
    let is_segment = |node: &SyntaxNode| {
        matches!(node.kind(), SyntaxKind::PATH_SEGMENT | SyntaxKind::PATH_SEGMENT_REF | SyntaxKind::NAME_REF)
    };
    node.descendants().filter(is_segment).map(|node| identifier(&node)).collect()
}

fn named(mut parts: Vec<String>) -> Option<Name> {
    let name = parts.pop()?;
    Some(Name { schema: parts.pop(), name })
}
