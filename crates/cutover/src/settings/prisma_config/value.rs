//! What an expression of a configuration file is.

use super::super::Origin;
use oxc_ast::ast::{ArrayExpression, ObjectExpression};
use oxc_span::Span;

/// What an expression is.
#[derive(Debug)]
pub(super) enum Value<'p> {
    Text {
        text: String,
        /// The variable that it comes from, where nothing was added to it.
        origin: Option<Origin>,
    },
    Boolean(bool),
    /// `undefined`, also because a variable is not set.
    Undefined {
        variable: Option<String>,
    },
    /// `env("X")` of a variable that is not set, which stops the reference.
    Missing {
        variable: String,
    },
    Object(&'p ObjectExpression<'p>),
    List(&'p ArrayExpression<'p>),
    /// Only a JavaScript engine could tell.
    Unknown {
        span: Span,
        what: &'static str,
    },
}

impl Value<'_> {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Value::Text { text: text.into(), origin: None }
    }

    /// Whether JavaScript takes it for true; none if that is not known.
    pub(super) fn is_truthy(&self) -> Option<bool> {
        match self {
            Value::Text { text, .. } => Some(!text.is_empty()),
            Value::Boolean(value) => Some(*value),
            Value::Undefined { .. } => Some(false),
            Value::Object(_) | Value::List(_) => Some(true),
            Value::Missing { .. } | Value::Unknown { .. } => None,
        }
    }
}

/// Whether two values are the same; none if that is not known.
pub(super) fn same(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    match (left, right) {
        (Value::Text { text: left, .. }, Value::Text { text: right, .. }) => Some(left == right),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left == right),
        (Value::Undefined { .. }, Value::Undefined { .. }) => Some(true),
        (Value::Undefined { .. }, Value::Text { .. } | Value::Boolean(_))
        | (Value::Text { .. } | Value::Boolean(_), Value::Undefined { .. }) => Some(false),
        _ => None,
    }
}
