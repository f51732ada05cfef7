//! What an expression of a configuration file is, as far as that can be told without running it: literals,
//! `env("X")`, `process.env.X`, `??`, `||` and `&&`, templates, `path.join`, constants of the same file.
//!
//! What does not live here: which keys a configuration has (`mod`).

use super::super::Origin;
use super::super::paths::normal;
use super::effects::Effects;
use super::names::{self, Name, key, known, required};
use super::value::{Value, same};
use oxc_ast::ast::{
    Argument, BinaryOperator, CallExpression, Expression, LogicalOperator, ObjectExpression,
    ObjectPropertyKind, Program, Statement, TemplateLiteral, UnaryOperator,
};
use oxc_span::{GetSpan, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How deep constants may refer to each other: they can go in circles.
const DEPTH: usize = 32;

/// A variable of the environment, and where its value comes from.
pub(super) type Lookup<'p> = dyn Fn(&str) -> Option<(String, Origin)> + 'p;

/// A call that loads files of variables.
struct Load<'p> {
    call: &'p CallExpression<'p>,
    /// The call around it, or itself.
    outer: Span,
}

/// Reads the expressions of one file.
pub(super) struct Evaluator<'p> {
    program: &'p Program<'p>,
    names: BTreeMap<&'p str, Name<'p>>,
    effects: Effects,
    /// It runs code that may set variables.
    sets_unknown: bool,
    /// Where the last of the calls stands that load files of variables: what is read before it is not from them.
    loaded_from: u32,
    /// The file itself.
    file: &'p Path,
    current_dir: &'p Path,
    lookup: &'p Lookup<'p>,
}

impl<'p> Evaluator<'p> {
    pub(super) fn new(
        program: &'p Program<'p>,
        file: &'p Path,
        current_dir: &'p Path,
        lookup: &'p Lookup<'p>,
    ) -> Self {
        let names = names::of(program);
        let effects = Effects::of(program);
        let mut this =
            Self { program, names, effects, sets_unknown: false, loaded_from: 0, file, current_dir, lookup };
        if this.names.contains_key("process")
            && !matches!(this.names.get("process"), Some(Name::Import { .. }))
        {
            // Another `process` than Node's.
            this.effects.set_any();
        }
        let mut known = Vec::new();
        for load in this.loads() {
            if this.loaded_by(&load).is_some() {
                known.extend([load.call.span, load.outer]);
            }
            this.loaded_from = this.loaded_from.max(load.call.span.end);
        }
        this.sets_unknown = this.effects.calls_others(&known);
        this
    }

    /// What the file exports as its default.
    pub(super) fn exported(&self) -> Option<Value<'p>> {
        if self.effects.changes("module") || self.effects.changes("exports") {
            return Some(Value::Unknown { span: self.program.span, what: "changed after it was exported" });
        }
        self.program.body.iter().rev().find_map(|statement| self.exported_by(statement))
    }

    fn exported_by(&self, statement: &'p Statement<'p>) -> Option<Value<'p>> {
        let is_default =
            |specifier: &&oxc_ast::ast::ExportSpecifier<'_>| specifier.exported.name() == "default";
        match statement {
            Statement::ExportDefaultDeclaration(export) => Some(match export.declaration.as_expression() {
                Some(expression) => self.value(expression),
                None => Value::Unknown { span: export.span, what: "a function" },
            }),
            // `export { config as default }`
            Statement::ExportNamedDeclaration(export) => {
                let specifier = export.specifiers.iter().find(is_default)?;
                Some(match self.names.get(specifier.local.name().as_str()) {
                    Some(Name::Constant(expression))
                        if !self.effects.changes(specifier.local.name().as_str()) =>
                    {
                        self.value(expression)
                    }
                    _ => {
                        Value::Unknown { span: specifier.span, what: "a name that is not made in this file" }
                    }
                })
            }
            Statement::ExportFromDeclaration(export) => {
                let specifier = export.specifiers.iter().find(is_default)?;
                Some(Value::Unknown { span: specifier.span, what: "in another file" })
            }
            Statement::TSExportAssignment(export) => Some(self.value(&export.expression)),
            Statement::ExpressionStatement(statement) => match &statement.expression {
                Expression::AssignmentExpression(assignment) => {
                    let target = assignment.left.as_simple_assignment_target()?;
                    let place = target.span().source_text(self.program.source_text);
                    matches!(place, "module.exports" | "exports.default" | "module.exports.default")
                        .then(|| self.value(&assignment.right))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The files of variables that the file loads: of `config({ path: ... })` of dotenv and of `loadEnvFile(...)`. True:
    /// they win over the variables of the process.
    pub(super) fn env_files(&self) -> Vec<(PathBuf, bool)> {
        let of_process = |name: &str| (self.lookup)(name).map(|(text, _)| text);
        let imported = self.program.body.iter().any(|statement| {
            matches!(statement, Statement::ImportDeclaration(import) if import.source.value.as_str() == "dotenv/config")
        });
        let overrides = of_process("DOTENV_CONFIG_OVERRIDE").as_deref() == Some("true");
        let named = of_process("DOTENV_CONFIG_PATH").filter(|_| imported);
        let named = named.or_else(|| (imported && overrides).then(|| ".env".to_owned()));
        let mut files: Vec<(PathBuf, bool)> =
            named.into_iter().map(|path| (self.current_dir.join(path), overrides)).collect();
        files.extend(self.loads().into_iter().filter_map(|load| self.loaded_by(&load)).flatten());
        files
    }

    /// The calls that load files of variables whatever the circumstances.
    fn loads(&self) -> Vec<Load<'p>> {
        let mut found = Vec::new();
        let tried = self.program.body.iter().flat_map(|statement| match statement {
            // `try { process.loadEnvFile() } catch {}`
            Statement::TryStatement(tried) => &tried.block.body[..],
            other => std::slice::from_ref(other),
        });
        for statement in tried {
            match statement {
                Statement::ExpressionStatement(statement) => found.extend(self.load(&statement.expression)),
                Statement::VariableDeclaration(declaration) => {
                    found.extend(
                        declaration.declarations.iter().filter_map(|one| self.load(one.init.as_ref()?)),
                    );
                }
                _ => {}
            }
        }
        found
    }

    /// The call in an expression that loads files of variables: `expand(config({ path }))` has one.
    fn load(&self, expression: &'p Expression<'p>) -> Option<Load<'p>> {
        let Expression::CallExpression(call) = expression.get_inner_expression() else { return None };
        let (module, name) = self.imported(call)?;
        let first = call.arguments.first().and_then(Argument::as_expression);
        match (module.strip_prefix("node:").unwrap_or(module), name) {
            ("dotenv-expand", "expand" | "default" | "*") => {
                self.load(first?).map(|load| Load { outer: call.span, ..load })
            }
            ("dotenv", "config" | "configDotenv") | ("process", "loadEnvFile") => {
                Some(Load { call, outer: call.span })
            }
            _ => None,
        }
    }

    /// The files that such a call loads; none if that is not known.
    fn loaded_by(&self, load: &Load<'p>) -> Option<Vec<(PathBuf, bool)>> {
        let Some(first) = load.call.arguments.first() else { return Some(Vec::new()) };
        let first = self.value(first.as_expression()?);
        let Value::Object(options) = first else { return Some(vec![(self.path(&first)?, false)]) };
        let overrides = match self.property(options, "override") {
            Some(Value::Boolean(overrides)) => overrides,
            None | Some(Value::Undefined { .. }) => false,
            Some(_) => return None,
        };
        // It fills another object than the environment.
        if self.property(options, "processEnv").is_some() {
            return None;
        }
        let files: Vec<PathBuf> = match self.property(options, "path") {
            Some(Value::List(list)) => {
                let items = list.elements.iter().map(|item| self.path(&self.value(item.as_expression()?)));
                items.collect::<Option<_>>()?
            }
            Some(Value::Undefined { .. }) | None if overrides => vec![self.current_dir.join(".env")],
            Some(Value::Undefined { .. }) | None => Vec::new(),
            Some(value) => vec![self.path(&value)?],
        };
        Some(files.into_iter().map(|file| (file, overrides)).collect())
    }

    /// Such paths are relative to the working directory.
    fn path(&self, value: &Value<'_>) -> Option<PathBuf> {
        match value {
            Value::Text { text, .. } => Some(self.current_dir.join(text)),
            _ => None,
        }
    }

    /// The value of a property; none if the object does not have it.
    pub(super) fn property(&self, object: &'p ObjectExpression<'p>, name: &str) -> Option<Value<'p>> {
        object.properties.iter().rev().find_map(|property| match property {
            ObjectPropertyKind::ObjectProperty(property)
                if property.computed && key(&property.key).is_none() =>
            {
                Some(Value::Unknown { span: property.span, what: "perhaps under a computed name" })
            }
            ObjectPropertyKind::ObjectProperty(property) if key(&property.key) == Some(name) => {
                Some(if property.method || property.kind != oxc_ast::ast::PropertyKind::Init {
                    Value::Unknown { span: property.span, what: "a function" }
                } else {
                    self.value(&property.value)
                })
            }
            ObjectPropertyKind::SpreadProperty(spread) => match self.value(&spread.argument) {
                Value::Object(inner) => self.property(inner, name),
                // `...(condition && { ... })`
                Value::Undefined { .. } | Value::Boolean(_) => None,
                _ => Some(Value::Unknown { span: spread.span, what: "perhaps in what is spread here" }),
            },
            ObjectPropertyKind::ObjectProperty(_) => None,
        })
    }

    /// The names of the properties that are written out, with their places.
    pub(super) fn keys(object: &'p ObjectExpression<'p>) -> impl Iterator<Item = (&'p str, Span)> {
        object.properties.iter().filter_map(|property| match property {
            ObjectPropertyKind::ObjectProperty(property) => Some((key(&property.key)?, property.key.span())),
            ObjectPropertyKind::SpreadProperty(_) => None,
        })
    }

    pub(super) fn value(&self, expression: &'p Expression<'p>) -> Value<'p> {
        self.deep(expression, 0)
    }

    fn deep(&self, expression: &'p Expression<'p>, depth: usize) -> Value<'p> {
        let unknown = |what| Value::Unknown { span: expression.span(), what };
        if depth > DEPTH {
            return unknown("a value that refers to itself");
        }
        let depth = depth + 1;
        match expression.get_inner_expression() {
            Expression::StringLiteral(text) => Value::text(text.value.as_str()),
            Expression::BooleanLiteral(value) => Value::Boolean(value.value),
            Expression::NullLiteral(_) => Value::Undefined { variable: None },
            Expression::TemplateLiteral(template) => self.template(template, depth),
            Expression::ObjectExpression(object) => Value::Object(object),
            Expression::ArrayExpression(list) => Value::List(list),
            Expression::Identifier(name) if self.effects.changes(name.name.as_str()) => {
                unknown("a name whose value the file may change")
            }
            Expression::Identifier(name) => match (name.name.as_str(), self.names.get(name.name.as_str())) {
                (_, Some(Name::Constant(expression))) => self.deep(expression, depth),
                (_, Some(Name::Variable(variable))) => self.variable(variable, name.span),
                ("undefined", _) => Value::Undefined { variable: None },
                ("__dirname", _) => self.directory(),
                ("__filename", _) => Value::text(self.file.to_string_lossy()),
                _ => unknown("a name that is not made in this file"),
            },
            Expression::CallExpression(call) => self.call(call, depth),
            // `new URL("./prisma", import.meta.url)`, which stands for a path here as `import.meta.url` does.
            Expression::NewExpression(made) if made.callee.is_specific_id("URL") => {
                let mut values = made
                    .arguments
                    .iter()
                    .map(|argument| argument.as_expression().map(|one| self.deep(one, depth)));
                match (values.next().flatten(), values.next().flatten()) {
                    (Some(Value::Text { text, origin: None }), Some(Value::Text { text: base, .. }))
                        if Path::new(&base) == self.file =>
                    {
                        Value::text(normal(&self.file.with_file_name("").join(text)).to_string_lossy())
                    }
                    _ => unknown("an address that is not known"),
                }
            }
            Expression::LogicalExpression(logical) => {
                let left = self.deep(&logical.left, depth);
                let take_right = match (logical.operator, &left) {
                    (LogicalOperator::Coalesce, Value::Undefined { .. }) => true,
                    (LogicalOperator::Coalesce, _) => false,
                    (LogicalOperator::Or, left) => left.is_truthy() == Some(false),
                    (LogicalOperator::And, left) => left.is_truthy() == Some(true),
                };
                if take_right { self.deep(&logical.right, depth) } else { left }
            }
            Expression::ConditionalExpression(choice) => match self.deep(&choice.test, depth).is_truthy() {
                Some(true) => self.deep(&choice.consequent, depth),
                Some(false) => self.deep(&choice.alternate, depth),
                None => unknown("a condition that is not known"),
            },
            Expression::BinaryExpression(binary) => {
                let (left, right) = (self.deep(&binary.left, depth), self.deep(&binary.right, depth));
                self.binary(binary.operator, left, right, binary.span)
            }
            Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::LogicalNot => {
                match self.deep(&unary.argument, depth).is_truthy() {
                    Some(value) => Value::Boolean(!value),
                    None => unknown("a condition that is not known"),
                }
            }
            member => self.member(member, depth).unwrap_or_else(|| unknown("code")),
        }
    }

    /// `process.env.X`, `process.env["X"]`, `import.meta.dirname`, and a property of an object of this file.
    fn member(&self, expression: &'p Expression<'p>, depth: usize) -> Option<Value<'p>> {
        let expression = match expression {
            Expression::ChainExpression(chain) => {
                return self.chained(chain.expression.as_member_expression()?, depth);
            }
            other => other,
        };
        self.chained(expression.as_member_expression()?, depth)
    }

    fn chained(&self, member: &'p oxc_ast::ast::MemberExpression<'p>, depth: usize) -> Option<Value<'p>> {
        let object = member.object();
        let computed: String;
        let name = match member.static_property_name() {
            Some(name) => name,
            None => match member {
                oxc_ast::ast::MemberExpression::ComputedMemberExpression(member) => {
                    match self.deep(&member.expression, depth) {
                        Value::Text { text, .. } => {
                            computed = text;
                            &computed
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            },
        };
        if self.is_environment(object, depth) {
            return Some(self.variable(name, member.span()));
        }
        match (object.span().source_text(self.program.source_text), name) {
            ("import.meta", "dirname") => return Some(self.directory()),
            ("import.meta", "filename" | "url") => return Some(Value::text(self.file.to_string_lossy())),
            _ => {}
        }
        match self.deep(object, depth) {
            Value::Object(object) => {
                Some(self.property(object, name).unwrap_or(Value::Undefined { variable: None }))
            }
            _ => None,
        }
    }

    /// `process.env`, or a name for it.
    fn is_environment(&self, expression: &'p Expression<'p>, depth: usize) -> bool {
        if depth > DEPTH {
            return false;
        }
        let inner = expression.get_inner_expression();
        let text = inner.span().source_text(self.program.source_text);
        if matches!(text, "process.env" | "import.meta.env" | "Bun.env") {
            return true;
        }
        match inner {
            Expression::Identifier(name) => match self.names.get(name.name.as_str()) {
                Some(Name::Constant(expression)) => self.is_environment(expression, depth + 1),
                Some(Name::Import { module, name }) => {
                    matches!(*module, "process" | "node:process") && *name == "env"
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn call(&self, call: &'p CallExpression<'p>, depth: usize) -> Value<'p> {
        let unknown = |what| Value::Unknown { span: call.span, what };
        let Some(name) = self.function(call) else { return self.method(call, depth) };
        let mut values = call.arguments.iter().map(|argument| match argument.as_expression() {
            Some(expression) => self.deep(expression, depth),
            None => unknown("the call of a function"),
        });
        match name {
            "defineConfig" | "String" => {
                values.next().unwrap_or_else(|| unknown("a call without an argument"))
            }
            "env" => match values.next() {
                Some(Value::Text { text, .. }) => match self.variable(&text, call.span) {
                    Value::Undefined { .. } => Value::Missing { variable: text },
                    other => other,
                },
                _ => unknown("`env()` of a name that is not known"),
            },
            "cwd" => Value::text(self.current_dir.to_string_lossy()),
            "fileURLToPath" => values.next().unwrap_or_else(|| unknown("a call without an argument")),
            "dirname" => match values.next() {
                Some(Value::Text { text, .. }) => {
                    let parent = Path::new(&text).parent().unwrap_or(Path::new("."));
                    Value::text(parent.to_string_lossy())
                }
                _ => unknown("a path that is not known"),
            },
            "join" | "resolve" => self.joined(name == "resolve", values, call.span),
            _ => unknown("the call of a function"),
        }
    }

    /// The called function, if it is one whose work is known: by the module that it is imported from.
    fn function(&self, call: &'p CallExpression<'p>) -> Option<&'p str> {
        if let Expression::Identifier(local) = call.callee.get_inner_expression()
            && local.name.as_str() == "String"
            && !self.names.contains_key("String")
        {
            return Some("String");
        }
        let (module, name) = self.imported(call)?;
        known(module, name)
    }

    /// The module that the called function is imported from, and its name there.
    fn imported(&self, call: &'p CallExpression<'p>) -> Option<(&'p str, &'p str)> {
        match call.callee.get_inner_expression() {
            Expression::Identifier(local) => match self.names.get(local.name.as_str()) {
                Some(Name::Import { module, name }) => Some((module, name)),
                _ => None,
            },
            callee => {
                let member = callee.as_member_expression()?;
                Some((self.module(member.object())?, member.static_property_name()?))
            }
        }
    }

    /// The module that an expression stands for.
    fn module(&self, expression: &'p Expression<'p>) -> Option<&'p str> {
        match expression.get_inner_expression() {
            Expression::Identifier(name) => match self.names.get(name.name.as_str()) {
                Some(Name::Import { module, name: "default" | "*" }) => Some(module),
                Some(Name::Constant(init)) if !self.effects.changes(name.name.as_str()) => required(init),
                None if name.name.as_str() == "process" => Some("process"),
                _ => None,
            },
            other => required(other),
        }
    }

    /// `["a", "b"].join("/")`; of anything else only a JavaScript engine could tell what it returns.
    fn method(&self, call: &'p CallExpression<'p>, depth: usize) -> Value<'p> {
        let unknown = Value::Unknown { span: call.span, what: "the call of a function" };
        let Some(member) = call.callee.get_inner_expression().as_member_expression() else { return unknown };
        let separator = match call.arguments.first().map(|first| first.as_expression()) {
            Some(Some(first)) => self.deep(first, depth),
            Some(None) => return unknown,
            None => Value::text(","),
        };
        match (member.static_property_name(), self.deep(member.object(), depth), separator) {
            (Some("join"), Value::List(list), Value::Text { text: separator, .. }) => {
                let mut texts = Vec::new();
                for element in &list.elements {
                    match element.as_expression().map(|element| self.deep(element, depth)) {
                        Some(Value::Text { text, .. }) => texts.push(text),
                        _ => return unknown,
                    }
                }
                Value::text(texts.join(&separator))
            }
            _ => unknown,
        }
    }

    fn joined(&self, absolute: bool, parts: impl Iterator<Item = Value<'p>>, span: Span) -> Value<'p> {
        let mut path = if absolute { self.current_dir.to_owned() } else { PathBuf::new() };
        for part in parts {
            match part {
                Value::Text { text, .. } if absolute => path.push(text),
                // `join` puts an absolute part below the others.
                Value::Text { text, .. } if path.as_os_str().is_empty() => path.push(text),
                Value::Text { text, .. } => path.push(text.trim_start_matches('/')),
                other @ (Value::Missing { .. } | Value::Unknown { .. }) => return other,
                _ => return Value::Unknown { span, what: "a path that is not known" },
            }
        }
        Value::text(normal(&path).to_string_lossy())
    }

    fn template(&self, template: &'p TemplateLiteral<'p>, depth: usize) -> Value<'p> {
        let mut text = String::new();
        for (at, piece) in template.quasis.iter().enumerate() {
            text.push_str(piece.value.cooked.as_ref().map_or("", |cooked| cooked.as_str()));
            let Some(expression) = template.expressions.get(at) else { continue };
            match self.deep(expression, depth) {
                Value::Text { text: value, .. } => text.push_str(&value),
                // JavaScript would write `undefined` into a URL or a path.
                Value::Undefined { variable: Some(variable) } => return Value::Missing { variable },
                other @ (Value::Missing { .. } | Value::Unknown { .. }) => return other,
                _ => return Value::Unknown { span: expression.span(), what: "a value that is no text" },
            }
        }
        Value::text(text)
    }

    fn binary(&self, operator: BinaryOperator, left: Value<'p>, right: Value<'p>, span: Span) -> Value<'p> {
        use BinaryOperator::{Addition, Equality, Inequality, StrictEquality, StrictInequality};
        match (operator, left, right) {
            (Addition, Value::Text { text: left, .. }, Value::Text { text: right, .. }) => {
                Value::text(left + &right)
            }
            (Addition, Value::Undefined { variable: Some(variable) }, _)
            | (Addition, _, Value::Undefined { variable: Some(variable) }) => Value::Missing { variable },
            (Equality | StrictEquality | Inequality | StrictInequality, left, right) => {
                match same(&left, &right) {
                    Some(same) => Value::Boolean(same == matches!(operator, Equality | StrictEquality)),
                    None => Value::Unknown { span, what: "a comparison that is not known" },
                }
            }
            _ => Value::Unknown { span, what: "a calculation" },
        }
    }

    /// A variable of the environment, at `span`.
    fn variable(&self, name: &str, span: Span) -> Value<'p> {
        let found = (self.lookup)(name);
        if self.effects.sets(name, found.is_some()) {
            return Value::Unknown { span, what: "a variable that the file sets itself" };
        }
        match found {
            Some((_, Origin::EnvFile { .. })) if span.start < self.loaded_from => {
                Value::Unknown { span, what: "a variable that is read before its file is loaded" }
            }
            Some((text, origin)) if !self.sets_unknown || matches!(origin, Origin::Variable(_)) => {
                Value::Text { text, origin: Some(origin) }
            }
            _ if self.sets_unknown => {
                Value::Unknown { span, what: "a variable that code of the file may set" }
            }
            _ => Value::Undefined { variable: Some(name.to_owned()) },
        }
    }

    fn directory(&self) -> Value<'p> {
        Value::text(self.file.parent().unwrap_or(self.current_dir).to_string_lossy())
    }
}
