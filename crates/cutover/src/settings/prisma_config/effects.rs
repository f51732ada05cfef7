//! What a configuration file does beside exporting a value: whatever it may change counts as not known.
//!
//! What does not live here: what an expression is (`evaluate`).

use oxc_ast::ast::{
    AssignmentExpression, CallExpression, Expression, ExpressionStatement, ImportDeclaration, Program,
    UnaryExpression, UpdateExpression,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use std::collections::BTreeSet;

/// Where `module.exports` itself may be assigned.
const EXPORTS: [&str; 3] = ["module.exports", "exports.default", "module.exports.default"];

/// Functions that change none of their arguments.
const HARMLESS: [&str; 17] = [
    "String",
    "config",
    "configDotenv",
    "console.error",
    "console.info",
    "console.log",
    "console.warn",
    "defineConfig",
    "dirname",
    "dotenv.config",
    "env",
    "expand",
    "fileURLToPath",
    "join",
    "path.join",
    "path.resolve",
    "resolve",
];

/// What a file may change.
#[derive(Default)]
pub(super) struct Effects {
    /// Names whose value, or a part of it, may not be what the declaration says.
    changed: BTreeSet<String>,
    /// Variables of the environment that the file sets.
    variables: BTreeSet<String>,
    /// It sets variables of which the name is not known.
    any_variable: bool,
    /// The calls that load files of variables, and what else may set some.
    loads: Vec<Span>,
}

impl Effects {
    pub(super) fn of(program: &Program<'_>) -> Self {
        let mut looker = Looker { source: program.source_text, effects: Self::default() };
        looker.visit_program(program);
        looker.effects
    }

    /// Whether a name of the file may have another value than its declaration says.
    pub(super) fn changes(&self, name: &str) -> bool {
        self.changed.contains(name)
    }

    /// Whether the file sets a variable of the environment.
    pub(super) fn sets(&self, variable: &str) -> bool {
        self.any_variable || self.variables.contains(variable)
    }

    /// Whether variables may be set elsewhere than by these calls: under a condition, in a function, by code that is not
    /// known.
    pub(super) fn loads_elsewhere(&self, known: &[Span]) -> bool {
        self.loads.iter().any(|span| !known.contains(span))
    }
}

struct Looker<'s> {
    source: &'s str,
    effects: Effects,
}

impl Looker<'_> {
    fn text(&self, span: Span) -> String {
        span.source_text(self.source).to_owned()
    }

    /// `a.b.c = ...`, `delete a.b`, `a++`.
    fn changed(&mut self, place: &str) {
        if EXPORTS.contains(&place) {
            return;
        }
        if let Some(rest) = place.strip_prefix("process.env") {
            let name = rest
                .trim_start_matches(['.', '?', '[', '"', '\'', '`'])
                .trim_end_matches([']', '"', '\'', '`']);
            let written = rest.starts_with('.') || rest.starts_with("[\"") || rest.starts_with("['");
            if written && !name.is_empty() {
                self.effects.variables.insert(name.to_owned());
            } else {
                self.effects.any_variable = true;
            }
            return;
        }
        // Of a pattern every name.
        let pattern = place.starts_with(['{', '[', '(']);
        let mut words =
            place.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '$');
        if pattern {
            self.effects.changed.extend(words.map(str::to_owned));
        } else if let Some(root) = words.next() {
            self.effects.changed.insert(root.to_owned());
        }
    }
}

impl<'a> Visit<'a> for Looker<'_> {
    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        let place = self.text(assignment.left.span());
        self.changed(&place);
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_update_expression(&mut self, update: &UpdateExpression<'a>) {
        let place = self.text(update.argument.span());
        self.changed(&place);
        walk::walk_update_expression(self, update);
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        if unary.operator == oxc_ast::ast::UnaryOperator::Delete {
            let place = self.text(unary.argument.span());
            self.changed(&place);
        }
        walk::walk_unary_expression(self, unary);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        // For its effect alone: what else than dotenv's does is not known.
        if import.specifiers.is_none() && import.source.value.as_str() != "dotenv/config" {
            self.effects.loads.push(import.span);
        }
    }

    fn visit_expression_statement(&mut self, statement: &ExpressionStatement<'a>) {
        let inner = match &statement.expression {
            Expression::AwaitExpression(wait) => &wait.argument,
            other => other,
        };
        if let Expression::CallExpression(call) = inner.get_inner_expression()
            && !HARMLESS.contains(&self.text(call.callee.span()).as_str())
        {
            // For its effect alone too, as `loadEnvConfig(process.cwd())`.
            self.effects.loads.push(call.span);
        }
        walk::walk_expression_statement(self, statement);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let callee = self.text(call.callee.span());
        let name = callee.rsplit(['.', ')']).next().unwrap_or(&callee);
        if matches!(name, "loadEnvFile" | "configDotenv" | "config") {
            self.effects.loads.push(call.span);
        }
        if !HARMLESS.contains(&callee.as_str()) {
            // A function may change what it is given, and the object that it is a method of.
            let given = call.arguments.iter().filter_map(|argument| argument.as_expression());
            let places: Vec<String> = given
                .map(Expression::get_inner_expression)
                .filter(|given| matches!(given, Expression::Identifier(_)) || given.is_member_expression())
                .map(|given| self.text(given.span()))
                .collect();
            places.iter().for_each(|place| self.changed(place));
        }
        walk::walk_call_expression(self, call);
    }
}
