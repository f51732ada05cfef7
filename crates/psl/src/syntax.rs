//! The kinds of tokens and nodes, and the tree's types.

/// Defines the enum and the list of its variants together: the tree stores kinds as numbers, and the list is
/// the way back.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// What a token or node is. Tokens are written in capitals of one word, nodes come after [`SCHEMA`].
        #[expect(non_camel_case_types, reason = "the customary spelling for syntax kinds")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum SyntaxKind {
            $($(#[$doc])* $kind,)*
        }

        const KINDS: &[SyntaxKind] = &[$(SyntaxKind::$kind,)*];
    };
}

kinds! {
    /// Blanks and tabs.
    WHITESPACE,
    /// One line end, LF or CRLF. Ends a member, except within parentheses and brackets.
    NEWLINE,
    /// `// ...`
    COMMENT,
    /// `/// ...`
    DOC_COMMENT,
    /// `/* ... */`, over several lines too.
    BLOCK_COMMENT,
    /// A block comment without its end.
    UNTERMINATED_COMMENT,
    /// A name or keyword: letters, digits, `_` and `-`, beginning with a letter or `_`.
    IDENTIFIER,
    /// `-1.5`
    NUMBER,
    /// `"..."`, with its quotes.
    STRING,
    /// A string that the line ends before.
    UNTERMINATED_STRING,
    /// `{`
    LEFT_BRACE,
    /// `}`
    RIGHT_BRACE,
    /// `(`
    LEFT_PARENTHESIS,
    /// `)`
    RIGHT_PARENTHESIS,
    /// `[`
    LEFT_BRACKET,
    /// `]`
    RIGHT_BRACKET,
    /// `@`
    AT,
    /// `@@`
    AT_AT,
    /// `=`
    EQUALS,
    /// `:`
    COLON,
    /// `,`
    COMMA,
    /// `.`
    DOT,
    /// `?`
    QUESTION_MARK,
    /// `!`
    EXCLAMATION_MARK,
    /// Any other character.
    UNKNOWN,
    /// The end of the text; never in a tree.
    END,

    /// The whole file.
    SCHEMA,
    /// `model Name { ... }`
    MODEL,
    /// `view Name { ... }`
    VIEW,
    /// `type Name { ... }`
    COMPOSITE_TYPE,
    /// `enum Name { ... }`
    ENUM,
    /// `datasource name { ... }`
    DATASOURCE,
    /// `generator name { ... }`
    GENERATOR,
    /// The name of a block, member or argument.
    NAME,
    /// `name = expression` in a datasource or generator.
    PROPERTY,
    /// `name Type? @attribute`
    FIELD,
    /// The type of a field with its `?` or `[]`.
    FIELD_TYPE,
    /// `Unsupported("...")`
    UNSUPPORTED,
    /// `NAME @attribute` in an enum.
    ENUM_VALUE,
    /// `@name.space(arguments)`
    ATTRIBUTE,
    /// `@@name(arguments)`
    BLOCK_ATTRIBUTE,
    /// `(argument, argument)`
    ARGUMENT_LIST,
    /// `name: expression` or `expression`
    ARGUMENT,
    /// `name`, `name.name`: a constant, a field, a type, an attribute's name.
    PATH,
    /// `name(arguments)`
    CALL,
    /// `[expression, expression]`
    ARRAY,
    /// A string as an expression.
    STRING_LITERAL,
    /// A number as an expression.
    NUMBER_LITERAL,
    /// What was not understood.
    ERROR,
}

impl SyntaxKind {
    /// Tokens without a meaning for the grammar.
    pub fn is_trivia(self) -> bool {
        matches!(
            self,
            SyntaxKind::WHITESPACE
                | SyntaxKind::COMMENT
                | SyntaxKind::DOC_COMMENT
                | SyntaxKind::BLOCK_COMMENT
                | SyntaxKind::UNTERMINATED_COMMENT
        )
    }
}

impl From<SyntaxKind> for rowan::SyntaxKind {
    fn from(kind: SyntaxKind) -> Self {
        Self(kind as u16)
    }
}

/// The language of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {}

impl rowan::Language for Language {
    type Kind = SyntaxKind;

    fn kind_from_raw(raw: rowan::SyntaxKind) -> SyntaxKind {
        KINDS.get(usize::from(raw.0)).copied().unwrap_or(SyntaxKind::ERROR)
    }

    fn kind_to_raw(kind: SyntaxKind) -> rowan::SyntaxKind {
        kind.into()
    }
}

/// A node of the tree.
pub type SyntaxNode = rowan::SyntaxNode<Language>;
/// A token of the tree.
pub type SyntaxToken = rowan::SyntaxToken<Language>;

#[cfg(test)]
mod tests {
    use super::*;
    use rowan::Language as _;

    #[test]
    fn kinds_survive_being_numbers() {
        for kind in KINDS {
            assert_eq!(Language::kind_from_raw(Language::kind_to_raw(*kind)), *kind);
        }
    }
}
