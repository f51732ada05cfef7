//! SQL text (pure): [`split`] takes a text apart into [`Statement`]s and says of each, once, what it is
//! ([`Kind`]), what it does to named objects ([`Action`]), what it may leave behind in its session
//! ([`SessionEffect`]), whose code it may run ([`Code`]) and what the catalogue must show after it ([`Expectation`]).
//!
//! The way of a text: `scanner` (bytes to tokens) -> `boundary` (tokens to statements) -> `classify` (the
//! kind) -> `ddl` and `pg` (the actions) -> `reach` -> `session` -> `code`. `statement.rs` walks it.
//!
//! What does not live here: I/O, and anything that needs a server. The only module that knows
//! `squawk-syntax` is `pg`.
//!
//! To teach it a command: a [`Kind`] and its arm in `classify`; if it names objects that matter, an
//! [`Action`] and its reader in `ddl`.

mod action;
mod boundary;
mod catalog;
mod changed;
mod classify;
mod code;
mod computed;
mod confine;
mod custom;
mod ddl;
mod defaults;
mod directive;
mod effect;
mod expectation;
mod functions;
mod index_name;
mod inverse;
mod kind;
mod literal;
mod mode;
mod pg;
mod reach;
mod scanner;
mod session;
mod snapshot;
mod statement;
mod words;

pub use action::{
    Action, Change, CreateIndex, DetachMode, IndexKey, Name, ObjectType, Part, ReindexTarget, TableKeys,
};
pub use catalog::{
    Catalog, Column, Constraint, ConstraintKind, DataType, Index, Table, TableKind, Volatility,
};
pub use changed::{Changed, Dropped, Root, Unread, changed, dropped, dropped_along};
pub use code::Code;
pub use computed::computes;
pub use confine::{Beyond, Confines, Escape};
pub use custom::custom_settings;
pub use defaults::{GivenDefaults, given_defaults};
pub use directive::Directive;
pub use effect::{Algorithm, Breakage, Effect, Fact, Lock, Reversible, TableEffect, effect, rebuilt};
pub use expectation::{Expectation, expectation};
pub use index_name::default_index_name;
pub use inverse::{
    AS_THEY_ARE, BACK_PREFIX, Back, ForeignKeys, Guard, GuardedOn, KEPT_PREFIX, KEPT_SCHEMA_PREFIX, Keeping,
    Kept, KeptKey, KeptKind, KeptPartition, Lack, Required, Running, Substitution, Unkept, bring_back,
    foreign_keys, guard_on, hold_columns, is_nobodys, keep, leading_nowhere, leave_nobodys, restored,
    under_mode,
};
pub use inverse::{
    Draft, Loss, Obstacle, Rebuild, Undo, draft, filled_into, names_schema, qualifies_in, rebuilds,
    says_schema,
};
pub use kind::{DataVerb, DdlVerb, Kind, Scope, TransactionRule};
pub use literal::inserts_literals;
pub use reach::Reach;
pub use scanner::{ScanError, ScanErrorKind};
pub use session::SessionEffect;
pub use snapshot::{
    ColumnDefinition, Definition, Difference, Object, ObjectKind, Part as SnapshotPart, PartDifference,
    PartKind, Snapshot, TableText, index_text, one_line, shown_event, shown_statement, shown_table,
    table_text,
};
pub use statement::{Options, Script, Statement, split, strip_bom};
