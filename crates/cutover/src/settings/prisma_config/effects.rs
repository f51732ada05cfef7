//! What a configuration file does beside exporting a value: whatever it may change counts as not known.
//!
//! What does not live here: what an expression is (`evaluate`).

use oxc_ast::ast::{
    AssignmentExpression, AssignmentOperator, CallExpression, Expression, ExpressionStatement,
    ForOfStatement, ForStatementLeft, FunctionBody, ImportDeclaration, Program, UnaryExpression,
    UnaryOperator, UpdateExpression, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use std::collections::BTreeSet;

/// Where `module.exports` itself may be assigned.
const EXPORTS: [&str; 3] = ["module.exports", "exports.default", "module.exports.default"];

/// Functions that set no variable and change none of their arguments; with a dot at its end, those of an object.
const HARMLESS: [&str; 15] = [
    "JSON.",
    "Number",
    "String",
    "console.",
    "createRequire",
    "defineConfig",
    "dirname",
    "env",
    "fileURLToPath",
    "fs.",
    "join",
    "path.",
    "readFileSync",
    "resolve",
    "z.",
];

/// What a file may change.
#[derive(Default)]
pub(super) struct Effects {
    /// Names whose value, or a part of it, may not be what the declaration says.
    changed: BTreeSet<String>,
    /// Variables of the environment that the file sets.
    variables: BTreeSet<String>,
    /// Those that it sets if they are not set: `process.env.X ??= ...`.
    defaults: BTreeSet<String>,
    /// It sets variables of which the name is not known.
    any_variable: bool,
    /// Names that are bound, with what they are bound to.
    bindings: Vec<(String, String)>,
    /// Calls that may set variables: those that load files of them, and any of which nothing is known.
    calls: Vec<Span>,
}

impl Effects {
    pub(super) fn of(program: &Program<'_>) -> Self {
        let mut looker = Looker { source: program.source_text, effects: Self::default(), functions: 0 };
        looker.visit_program(program);
        looker.effects.spread();
        looker.effects
    }

    /// What is changed through another name is changed: `const d = config.datasource; d.url = ...`.
    fn spread(&mut self) {
        loop {
            let reached: Vec<String> = self
                .bindings
                .iter()
                .filter(|(bound, _)| words(bound).any(|word| self.changed.contains(word)))
                .map(|(_, value)| value.clone())
                .collect();
            self.any_variable |= reached.iter().any(|value| is_environment(value));
            let before = self.changed.len();
            self.changed.extend(reached.iter().flat_map(|value| words(value)).map(str::to_owned));
            if self.changed.len() == before {
                return;
            }
        }
    }

    /// Whether a name of the file may have another value than its declaration says.
    pub(super) fn changes(&self, name: &str) -> bool {
        self.changed.contains(name)
    }

    /// Whether the file sets a variable of the environment; `is_set`: it has a value already.
    pub(super) fn sets(&self, variable: &str, is_set: bool) -> bool {
        self.any_variable
            || self.variables.contains(variable)
            || (!is_set && self.defaults.contains(variable))
    }

    /// Any variable may be set.
    pub(super) fn set_any(&mut self) {
        self.any_variable = true;
    }

    /// Whether variables may be set elsewhere than by these calls: under a condition, by code that is not known.
    pub(super) fn calls_others(&self, known: &[Span]) -> bool {
        self.calls.iter().any(|span| !known.contains(span))
    }
}

/// The words of a text that can be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '$')
        .filter(|word| !word.is_empty())
}

/// Whether a text may stand for the environment or for what holds it.
fn is_environment(text: &str) -> bool {
    text == "process" || text.contains("process.env") || text.contains("node:process")
}

struct Looker<'s> {
    source: &'s str,
    effects: Effects,
    /// How many functions surround what is looked at: what stands in one runs when it is called.
    functions: usize,
}

impl Looker<'_> {
    fn text(&self, span: Span) -> String {
        span.source_text(self.source).to_owned()
    }

    fn is_harmless(&self, call: &CallExpression<'_>) -> bool {
        let callee = self.text(call.callee.span());
        HARMLESS
            .iter()
            .any(|name| if name.ends_with('.') { callee.starts_with(name) } else { callee == *name })
    }

    /// A call whose effect counts: `alone` as a statement, or as the value of a name.
    fn called(&mut self, expression: &Expression<'_>, alone: bool) {
        let inner = match expression.get_inner_expression() {
            Expression::AwaitExpression(wait) => wait.argument.get_inner_expression(),
            other => other,
        };
        let Expression::CallExpression(call) = inner else { return };
        // A module that is taken for what it gives is as harmless as an import of its names.
        let module = self.text(call.callee.span()) == "require";
        let taken = module && (!alone || self.text(call.span).contains("dotenv/config"));
        if self.functions > 0 || taken || self.is_harmless(call) {
            return;
        }
        self.effects.calls.push(call.span);
        if alone {
            // `patch([config])`, `patch({ config })`
            let given: Vec<String> =
                call.arguments.iter().map(|argument| self.text(argument.span())).collect();
            self.effects.changed.extend(given.iter().flat_map(|text| words(text)).map(str::to_owned));
        }
        // `parts.push(...)`
        if let Some(member) = call.callee.get_inner_expression().as_member_expression() {
            let place = self.text(member.object().span());
            if !place.starts_with("process") && !place.starts_with("require") {
                self.changed(&place);
            }
        }
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
        self.effects.any_variable |= place.contains("process.env");
        // Of a pattern every name.
        let pattern = place.starts_with(['{', '[', '(']);
        let count = if pattern { usize::MAX } else { 1 };
        self.effects.changed.extend(words(place).take(count).map(str::to_owned));
    }
}

impl<'a> Visit<'a> for Looker<'_> {
    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        let place = self.text(assignment.left.span());
        match place.strip_prefix("process.env.") {
            Some(name)
                if matches!(
                    assignment.operator,
                    AssignmentOperator::LogicalNullish | AssignmentOperator::LogicalOr
                ) =>
            {
                self.effects.defaults.insert(name.to_owned());
            }
            _ => self.changed(&place),
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_update_expression(&mut self, update: &UpdateExpression<'a>) {
        let place = self.text(update.argument.span());
        self.changed(&place);
        walk::walk_update_expression(self, update);
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        if unary.operator == UnaryOperator::Delete {
            let place = self.text(unary.argument.span());
            self.changed(&place);
        }
        walk::walk_unary_expression(self, unary);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        if import.source.value.as_str().trim_start_matches("node:") == "process" {
            let names = import.specifiers.iter().flatten().map(|one| one.local().name.to_string());
            self.effects.bindings.extend(names.map(|name| (name, "node:process".to_owned())));
        }
        // For its effect alone: what else than dotenv's does is not known.
        if import.specifiers.is_none() && import.source.value.as_str() != "dotenv/config" {
            self.effects.calls.push(import.span);
        }
    }

    fn visit_function_body(&mut self, body: &FunctionBody<'a>) {
        self.functions += 1;
        walk::walk_function_body(self, body);
        self.functions -= 1;
    }

    fn visit_expression_statement(&mut self, statement: &ExpressionStatement<'a>) {
        self.called(&statement.expression, true);
        walk::walk_expression_statement(self, statement);
    }

    fn visit_for_of_statement(&mut self, each: &ForOfStatement<'a>) {
        let (left, right) = (self.text(each.left.span()), self.text(each.right.span()));
        if !matches!(each.left, ForStatementLeft::VariableDeclaration(_)) {
            self.changed(&left);
        }
        self.effects.bindings.push((left, right));
        walk::walk_for_of_statement(self, each);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        declarator.init.iter().for_each(|init| self.called(init, false));
        if let Some(init) = &declarator.init {
            let (name, value) = (self.text(declarator.id.span()), self.text(init.span()));
            // What a literal or a call holds is made anew; of a name, or a part of it, it is the same object.
            let same = matches!(init.get_inner_expression(), Expression::Identifier(_))
                || init.get_inner_expression().is_member_expression();
            if same {
                self.effects.bindings.push((name, value));
            }
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if !self.is_harmless(call) {
            let callee = self.text(call.callee.span());
            // A function may change the objects that it is given, `Object.assign` the environment too.
            let given = call.arguments.iter().filter_map(|argument| argument.as_expression());
            let places: Vec<String> = given
                .map(Expression::get_inner_expression)
                .filter(|given| matches!(given, Expression::Identifier(_)) || given.is_member_expression())
                .map(|given| self.text(given.span()))
                .filter(|place| {
                    !place.starts_with("process.env")
                        || callee.starts_with("Object.")
                        || callee.starts_with("Reflect.")
                })
                .collect();
            places.iter().for_each(|place| self.changed(place));
        }
        walk::walk_call_expression(self, call);
    }
}
