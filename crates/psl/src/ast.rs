//! Typed views of the tree: what a node is made of, as far as it is there. Parts that were not understood
//! are missing, never invented.

use crate::syntax::SyntaxKind::{self, *};
use crate::syntax::{Language, SyntaxNode, SyntaxToken};
use rowan::ast::{AstNode, support};
use rowan::{NodeOrToken, TextRange};

/// The blocks of a schema file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// A table.
    Model,
    /// A view.
    View,
    /// A composite type.
    CompositeType,
    /// An enum.
    Enum,
    /// Where the database is.
    Datasource,
    /// What is generated from the schema.
    Generator,
}

impl BlockKind {
    const ALL: [BlockKind; 6] = [
        BlockKind::Model,
        BlockKind::View,
        BlockKind::CompositeType,
        BlockKind::Enum,
        BlockKind::Datasource,
        BlockKind::Generator,
    ];

    /// The word that the block begins with.
    pub const fn keyword(self) -> &'static str {
        match self {
            BlockKind::Model => "model",
            BlockKind::View => "view",
            BlockKind::CompositeType => "type",
            BlockKind::Enum => "enum",
            BlockKind::Datasource => "datasource",
            BlockKind::Generator => "generator",
        }
    }

    /// The block that begins with this word.
    pub fn from_keyword(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.keyword() == word)
    }

    pub(crate) const fn node(self) -> SyntaxKind {
        match self {
            BlockKind::Model => MODEL,
            BlockKind::View => VIEW,
            BlockKind::CompositeType => COMPOSITE_TYPE,
            BlockKind::Enum => ENUM,
            BlockKind::Datasource => DATASOURCE,
            BlockKind::Generator => GENERATOR,
        }
    }

    /// The reference's words for a line that does not belong into such a block.
    pub(crate) const fn bad_line(self) -> &'static str {
        match self {
            BlockKind::Model | BlockKind::View | BlockKind::CompositeType => {
                "Error validating: This line is not a valid field or attribute definition."
            }
            BlockKind::Enum => "Error validating: This line is not an enum value definition.",
            BlockKind::Datasource => {
                "Error validating: This line is not a valid definition within a datasource."
            }
            BlockKind::Generator => {
                "Error validating: This line is not a valid definition within a generator."
            }
        }
    }
}

/// Defines the view of one kind of node.
macro_rules! node {
    ($(#[$doc:meta])* $name:ident, $($kind:ident)|+) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(SyntaxNode);

        impl AstNode for $name {
            type Language = Language;

            fn can_cast(kind: SyntaxKind) -> bool {
                matches!(kind, $($kind)|+)
            }

            fn cast(node: SyntaxNode) -> Option<Self> {
                Self::can_cast(node.kind()).then_some(Self(node))
            }

            fn syntax(&self) -> &SyntaxNode {
                &self.0
            }
        }
    };
}

node!(
    /// A block of any kind.
    Block, MODEL | VIEW | COMPOSITE_TYPE | ENUM | DATASOURCE | GENERATOR
);
node!(
    /// `name = expression`
    Property, PROPERTY
);
node!(
    /// `name Type @attribute`
    Field, FIELD
);
node!(
    /// `NAME @attribute`
    EnumValue, ENUM_VALUE
);
node!(
    /// The type of a field.
    FieldType, FIELD_TYPE
);
node!(
    /// `@name(...)` or `@@name(...)`
    Attribute, ATTRIBUTE | BLOCK_ATTRIBUTE
);
node!(
    /// An argument of an attribute or function.
    Argument, ARGUMENT
);
node!(
    /// A value of any kind.
    Expression, STRING_LITERAL | NUMBER_LITERAL | PATH | CALL | ARRAY
);

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string, without quotes and escapes.
    String(String),
    /// A number, as it is written.
    Number(String),
    /// A word or a path: `true`, `Cascade`, `posts.id`.
    Constant(String),
    /// A function.
    Call {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<Argument>,
    },
    /// A list.
    Array(Vec<Expression>),
}

fn name_token(node: &SyntaxNode) -> Option<SyntaxToken> {
    let name = node.children().find(|child| child.kind() == NAME)?;
    name.first_token()
}

fn path_text(node: &SyntaxNode) -> String {
    let tokens = node.children_with_tokens().filter_map(NodeOrToken::into_token);
    tokens.filter(|token| !token.kind().is_trivia()).map(|token| token.text().to_owned()).collect()
}

fn arguments(node: &SyntaxNode) -> Vec<Argument> {
    let list = node.children().find(|child| child.kind() == ARGUMENT_LIST);
    list.into_iter().flat_map(|list| list.children().filter_map(Argument::cast)).collect()
}

impl Block {
    /// What kind of block it is.
    pub fn kind(&self) -> Option<BlockKind> {
        BlockKind::ALL.into_iter().find(|kind| kind.node() == self.0.kind())
    }

    /// Its name.
    pub fn name(&self) -> Option<SyntaxToken> {
        name_token(&self.0)
    }

    /// The bytes from its keyword up to its brace: what one points at to speak of the block.
    pub fn head(&self) -> TextRange {
        let end = self.name().map(|name| name.text_range()).unwrap_or_else(|| {
            self.0.first_token().map_or_else(|| self.0.text_range(), |token| token.text_range())
        });
        TextRange::new(self.0.text_range().start(), end.end())
    }

    /// The properties of a datasource or generator.
    pub fn properties(&self) -> impl Iterator<Item = Property> {
        support::children(&self.0)
    }

    /// The fields of a model, view or composite type.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        support::children(&self.0)
    }

    /// The values of an enum.
    pub fn values(&self) -> impl Iterator<Item = EnumValue> {
        support::children(&self.0)
    }

    /// The `@@` attributes.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        support::children(&self.0)
    }
}

impl Property {
    /// Its name.
    pub fn name(&self) -> Option<SyntaxToken> {
        name_token(&self.0)
    }

    /// Its value.
    pub fn value(&self) -> Option<Expression> {
        support::child(&self.0)
    }
}

impl Field {
    /// Its name.
    pub fn name(&self) -> Option<SyntaxToken> {
        name_token(&self.0)
    }

    /// Its type.
    pub fn field_type(&self) -> Option<FieldType> {
        support::child(&self.0)
    }

    /// Its attributes.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        support::children(&self.0)
    }
}

impl EnumValue {
    /// Its name.
    pub fn name(&self) -> Option<SyntaxToken> {
        name_token(&self.0)
    }

    /// Its attributes.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        support::children(&self.0)
    }
}

impl FieldType {
    /// The name of the type; none for `Unsupported("...")`.
    pub fn name(&self) -> Option<String> {
        self.0.children().find(|child| child.kind() == PATH).map(|path| path_text(&path))
    }

    /// The database's own type of an `Unsupported("...")`.
    pub fn unsupported(&self) -> Option<String> {
        let unsupported = self.0.children().find(|child| child.kind() == UNSUPPORTED)?;
        match arguments(&unsupported).first()?.value()?.value() {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it may be null.
    pub fn is_optional(&self) -> bool {
        support::token(&self.0, QUESTION_MARK).is_some()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        support::token(&self.0, LEFT_BRACKET).is_some()
    }
}

impl Attribute {
    /// Its name with the namespace: `id`, `db.VarChar`.
    pub fn name(&self) -> String {
        self.0.children().find(|child| child.kind() == PATH).map(|path| path_text(&path)).unwrap_or_default()
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<Argument> {
        arguments(&self.0)
    }
}

impl Argument {
    /// Its name, if it is written.
    pub fn name(&self) -> Option<SyntaxToken> {
        name_token(&self.0)
    }

    /// Its value.
    pub fn value(&self) -> Option<Expression> {
        support::child(&self.0)
    }
}

impl Expression {
    /// What it is.
    pub fn value(&self) -> Value {
        let text = || self.0.text().to_string();
        match self.0.kind() {
            STRING_LITERAL => Value::String(unescape(&text()).0),
            NUMBER_LITERAL => Value::Number(text()),
            CALL => Value::Call {
                name: self
                    .0
                    .children()
                    .find(|child| child.kind() == PATH)
                    .map(|path| path_text(&path))
                    .unwrap_or_default(),
                arguments: arguments(&self.0),
            },
            ARRAY => Value::Array(support::children(&self.0).collect()),
            _ => Value::Constant(path_text(&self.0)),
        }
    }
}

/// The value of a string token: without quotes, escapes replaced as in JSON. Also the byte of the first
/// escape that means nothing, which stands for itself.
pub(crate) fn unescape(token: &str) -> (String, Option<usize>) {
    let inner = token.strip_prefix('"').map_or(token, |rest| rest.strip_suffix('"').unwrap_or(rest));
    let mut value = String::with_capacity(inner.len());
    let mut unknown = None;
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        rest = &rest[at..];
        let (character, length) = match escape(&rest[1..]) {
            Some(found) => found,
            None => {
                unknown = unknown.or(Some(1 + inner.len() - rest.len()));
                ('\\', 0)
            }
        };
        value.push(character);
        rest = &rest[1 + length..];
    }
    value.push_str(rest);
    (value, unknown)
}

/// The character that stands behind a backslash, and how many bytes it takes there.
fn escape(rest: &str) -> Option<(char, usize)> {
    let simple = |character| Some((character, 1));
    match rest.chars().next()? {
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        '"' => simple('"'),
        '\\' => simple('\\'),
        '/' => simple('/'),
        'u' => {
            let high = unit(rest)?;
            if let Some(character) = char::from_u32(high) {
                return Some((character, 5));
            }
            // A character beyond the first 65,536 is written as two halves.
            let low = unit(rest.get(5..)?.strip_prefix('\\')?)?;
            let both = char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low).ok()?]).next()?;
            Some((both.ok()?, 11))
        }
        _ => None,
    }
}

/// The number in `uXXXX`.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
