//! An ALTER TABLE, piece by piece, as it is written.

use crate::action::Name;
use crate::scanner::Token;
use crate::words::Words;
use diagnostics::Provider;

/// ALTER TABLE, taken apart at its commas.
pub(super) struct Pieces<'t> {
    /// `ALTER TABLE name`, as written.
    pub(super) head: &'t str,
    /// The table.
    pub(super) table: Name,
    /// ONLY stands before it.
    pub(super) only: bool,
    /// The changes.
    pub(super) pieces: Vec<Piece<'t>>,
}

/// One change.
pub(super) struct Piece<'t> {
    /// As written.
    pub(super) text: &'t str,
    tokens: Vec<Token>,
    whole: &'t str,
    provider: Provider,
}

impl<'t> Pieces<'t> {
    /// Takes a statement apart; none where it is no ALTER TABLE.
    pub(super) fn read(text: &'t str, tokens: &[Token], provider: Provider) -> Option<Self> {
        let mut words = Words::new(text, tokens, provider);
        let first = words.look(0)?;
        words.take("ALTER").then_some(())?;
        while words.take_any(&["ONLINE", "OFFLINE", "IGNORE"]).is_some() {}
        words.take("TABLE").then_some(())?;
        words.if_exists();
        let only = words.take("ONLY");
        let table = words.name()?;
        words.symbol(b'*');
        let head = words.span_from(first).slice(text);
        let from = words.look(0).map_or(usize::MAX, |next| next.span.start);
        let rest: Vec<Token> = tokens
            .iter()
            .filter(|token| token.span.start >= from)
            .take_while(|token| !token.is_symbol(b';'))
            .copied()
            .collect();
        let mut depth = 0_usize;
        let apart = rest.split(|token| {
            depth += usize::from(token.is_symbol(b'('));
            depth = depth.saturating_sub(usize::from(token.is_symbol(b')')));
            depth == 0 && token.is_symbol(b',')
        });
        let piece = |own: &[Token]| {
            let (first, last) = (own.first()?, own.last()?);
            let written = &text[first.span.start..last.span.end];
            Some(Piece { text: written, tokens: own.to_vec(), whole: text, provider })
        };
        let pieces = apart.map(piece).collect::<Option<Vec<_>>>()?;
        Some(Self { head, table, only, pieces })
    }
}

impl<'t> Piece<'t> {
    fn words(&self) -> Words<'_> {
        Words::new(self.whole, &self.tokens, self.provider)
    }

    /// The column that it drops.
    pub(super) fn dropped_column(&self) -> Option<String> {
        self.dropped().map(|(name, _)| name)
    }

    /// What stands behind a column that it drops and is about the table: `REMOVE PARTITIONING`.
    pub(super) fn tail(&self) -> &'t str {
        let rest = self.dropped().and_then(|(_, mut words)| {
            words.take_any(&["RESTRICT", "CASCADE"]);
            words.look(0)
        });
        rest.zip(self.tokens.last()).map_or("", |(first, last)| &self.whole[first.span.start..last.span.end])
    }

    /// The column that it drops, and the words behind it.
    fn dropped(&self) -> Option<(String, Words<'_>)> {
        const OTHERS: &[&str] =
            &["CONSTRAINT", "INDEX", "KEY", "PRIMARY", "FOREIGN", "CHECK", "PARTITION", "SYSTEM", "PERIOD"];
        let mut words = self.words();
        words.take("DROP").then_some(())?;
        if !words.take("COLUMN") && OTHERS.iter().any(|word| words.at_word(word)) {
            return None;
        }
        words.if_exists();
        Some((words.part()?, words))
    }

    /// The column that it adds, and its definition as written.
    pub(super) fn added_column(&self) -> Option<(String, &'t str)> {
        const OTHERS: &[&str] = &[
            "CONSTRAINT",
            "INDEX",
            "KEY",
            "PRIMARY",
            "FOREIGN",
            "CHECK",
            "PARTITION",
            "SYSTEM",
            "PERIOD",
            "UNIQUE",
            "FULLTEXT",
            "SPATIAL",
            "EXCLUDE",
        ];
        let mut words = self.words();
        words.take("ADD").then_some(())?;
        if !words.take("COLUMN") && OTHERS.iter().any(|word| words.at_word(word)) {
            return None;
        }
        words.if_not_exists();
        let name = words.part()?;
        // SQLite takes a column without a type.
        let told = match words.look(0) {
            Some(first) => &self.whole[first.span.start..self.tokens.last()?.span.end],
            None => "",
        };
        Some((name, told))
    }
}
