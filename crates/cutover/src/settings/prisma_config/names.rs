//! What the names of a configuration file stand for, by its imports and declarations.

use oxc_ast::ast::{
    BindingPattern, Declaration, Expression, ImportDeclarationSpecifier, Program, PropertyKey, Statement,
    VariableDeclaration,
};
use std::collections::BTreeMap;

/// What a name of the file stands for.
#[derive(Clone, Copy)]
pub(super) enum Name<'p> {
    Constant(&'p Expression<'p>),
    /// Of `const { X } = process.env`.
    Variable(&'p str),
    /// What is imported from a module under which name; `*` and `default` for the whole.
    Import {
        module: &'p str,
        name: &'p str,
    },
    /// A function or class.
    Code,
}

/// The names that the file makes at its top.
pub(super) fn of<'p>(program: &'p Program<'p>) -> BTreeMap<&'p str, Name<'p>> {
    let mut names = BTreeMap::new();
    for statement in &program.body {
        match statement {
            Statement::VariableDeclaration(declaration) => declare(declaration, &mut names),
            Statement::ExportDeclaration(export) => {
                if let Declaration::VariableDeclaration(declaration) = &export.declaration {
                    declare(declaration, &mut names);
                }
            }
            Statement::ImportDeclaration(import) => {
                let module = import.source.value.as_str();
                for specifier in import.specifiers.iter().flatten() {
                    let name = match specifier {
                        ImportDeclarationSpecifier::ImportSpecifier(one) => match &one.imported {
                            oxc_ast::ast::ModuleExportName::IdentifierName(name) => name.name.as_str(),
                            oxc_ast::ast::ModuleExportName::IdentifierReference(name) => name.name.as_str(),
                            oxc_ast::ast::ModuleExportName::StringLiteral(text) => text.value.as_str(),
                        },
                        ImportDeclarationSpecifier::ImportDefaultSpecifier(_) => "default",
                        ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => "*",
                    };
                    names.insert(specifier.local().name.as_str(), Name::Import { module, name });
                }
            }
            Statement::FunctionDeclaration(function) => {
                names.extend(function.id.iter().map(|id| (id.name.as_str(), Name::Code)));
            }
            Statement::ClassDeclaration(class) => {
                names.extend(class.id.iter().map(|id| (id.name.as_str(), Name::Code)));
            }
            _ => {}
        }
    }
    names
}

fn declare<'p>(declaration: &'p VariableDeclaration<'p>, names: &mut BTreeMap<&'p str, Name<'p>>) {
    for one in &declaration.declarations {
        let Some(init) = &one.init else { continue };
        match &one.id {
            BindingPattern::BindingIdentifier(name) => {
                names.insert(name.name.as_str(), Name::Constant(init));
            }
            BindingPattern::ObjectPattern(pattern) => {
                let of_environment = matches!(init.get_inner_expression(), Expression::StaticMemberExpression(member)
                    if member.property.name.as_str() == "env"
                        && matches!(&member.object, Expression::Identifier(object) if object.name.as_str() == "process"));
                let module = required(init);
                for property in &pattern.properties {
                    let (Some(key), BindingPattern::BindingIdentifier(local)) =
                        (key(&property.key), &property.value)
                    else {
                        continue;
                    };
                    let name = if of_environment {
                        Name::Variable(key)
                    } else {
                        // `const { env, defineConfig } = require("prisma/config")`
                        module.map_or(Name::Code, |module| Name::Import { module, name: key })
                    };
                    names.insert(local.name.as_str(), name);
                }
            }
            _ => {}
        }
    }
}

/// The name of a property that is written out.
pub(super) fn key<'p>(key: &'p PropertyKey<'p>) -> Option<&'p str> {
    match key {
        PropertyKey::StaticIdentifier(name) => Some(name.name.as_str()),
        PropertyKey::StringLiteral(text) => Some(text.value.as_str()),
        _ => None,
    }
}

/// A function whose work is known, by the module that it comes from.
pub(super) fn known<'p>(module: &str, name: &'p str) -> Option<&'p str> {
    let functions: &[&str] = match module.strip_prefix("node:").unwrap_or(module) {
        "prisma/config" | "@prisma/config" => &["defineConfig", "env"],
        "path" | "path/posix" => &["dirname", "join", "resolve"],
        "process" => &["cwd"],
        "url" => &["fileURLToPath"],
        _ => &[],
    };
    functions.contains(&name).then_some(name)
}

/// The module of `require("module")`.
pub(super) fn required<'p>(expression: &'p Expression<'p>) -> Option<&'p str> {
    let Expression::CallExpression(call) = expression.get_inner_expression() else { return None };
    match (&call.callee, call.arguments.first()?.as_expression()?) {
        (Expression::Identifier(name), Expression::StringLiteral(module))
            if name.name.as_str() == "require" =>
        {
            Some(module.value.as_str())
        }
        _ => None,
    }
}
