//! Names of unnamed indexes: each pair is what PostgreSQL 15 answered.

use super::script;
use diagnostics::Provider;
use sql::{Action, default_index_name};

fn name_of(text: &str, attempt: usize) -> String {
    match &script(Provider::PostgreSql, text).statements[0].actions[..] {
        [Action::CreateIndex(index)] => default_index_name(index, attempt),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn unnamed_indexes_are_named_as_the_server_names_them() {
    for (text, name) in ANSWERS {
        assert_eq!(name_of(text, 0), *name, "{text}");
    }
}

#[test]
fn the_next_tries_are_numbered() {
    assert_eq!(name_of("CREATE INDEX ON t (a)", 1), "t_a_idx1");
    // One byte less is left for the table.
    let table = "a".repeat(63);
    assert_eq!(name_of(&format!("CREATE INDEX ON {table} (b)"), 2), format!("{}_b_idx2", "a".repeat(56)));
}

const ANSWERS: &[(&str, &str)] = &[
    ("CREATE INDEX ON shop (user_id)", "shop_user_id_idx"),
    ("CREATE INDEX ON s.\"Shop\" (a, \"B\" DESC) INCLUDE (c)", "Shop_a_B_c_idx"),
    ("CREATE INDEX ON t (lower(a))", "t_lower_idx"),
    ("CREATE INDEX ON t ((n + m), c)", "t_expr_c_idx"),
    ("CREATE INDEX ON t ((n + m), (n - m))", "t_expr_expr1_idx"),
    ("CREATE INDEX ON t ((n::bigint))", "t_n_idx"),
    ("CREATE INDEX ON t (((a || 'x')::varchar))", "t_varchar_idx"),
    ("CREATE INDEX ON t (((n + 1)::integer))", "t_int4_idx"),
    ("CREATE INDEX ON t (pg_catalog.lower(a))", "t_lower_idx"),
    ("CREATE INDEX ON t (a COLLATE \"C\" text_pattern_ops DESC NULLS LAST)", "t_a_idx"),
    ("CREATE INDEX ON t (COALESCE(a, b))", "t_coalesce_idx"),
    ("CREATE INDEX ON t (greatest(a, b))", "t_greatest_idx"),
    ("CREATE INDEX ON t (trim(a))", "t_btrim_idx"),
    ("CREATE INDEX ON t (trim(leading from a))", "t_ltrim_idx"),
    ("CREATE INDEX ON t (substring(a from 1 for 2))", "t_substring_idx"),
    ("CREATE INDEX ON t (position('x' in a))", "t_position_idx"),
    ("CREATE INDEX ON t (extract(year from d))", "t_extract_idx"),
    ("CREATE INDEX ON t ((data->>'x'))", "t_expr_idx"),
    ("CREATE INDEX ON t ((data->'x'->'y'))", "t_expr_idx"),
    ("CREATE INDEX ON t (((data->>'x')::int))", "t_int4_idx"),
    ("CREATE INDEX ON t ((CASE WHEN n = 1 THEN a ELSE b END))", "t_b_idx"),
    ("CREATE INDEX ON t ((CASE WHEN n = 1 THEN a END))", "t_case_idx"),
    ("CREATE INDEX ON t ((a))", "t_a_idx"),
    ("CREATE INDEX ON t ((n IS NULL))", "t_expr_idx"),
    ("CREATE INDEX ON t ((NOT bb))", "t_expr_idx"),
    ("CREATE INDEX ON t (nullif(a, b))", "t_nullif_idx"),
    ("CREATE INDEX ON t ((a || b) COLLATE \"C\")", "t_expr_idx"),
    ("CREATE INDEX ON t ((lower(a) COLLATE \"C\"))", "t_lower_idx"),
    ("CREATE INDEX ON t (CAST(n AS bigint))", "t_n_idx"),
    ("CREATE INDEX ON t ((CAST(n + 1 AS bigint)))", "t_int8_idx"),
    ("CREATE INDEX ON t ((data['x']))", "t_data_idx"),
    ("CREATE INDEX ON t ((ARRAY[n, m]))", "t_array_idx"),
    ("CREATE INDEX ON t (a, a)", "t_a_a1_idx"),
    ("CREATE INDEX ON t (a, lower(a), lower(b), a)", "t_a_lower_lower1_a1_idx"),
    ("CREATE INDEX ON t USING gin (to_tsvector('english', a))", "t_to_tsvector_idx"),
    ("CREATE INDEX ON t ((-n))", "t_expr_idx"),
    ("CREATE INDEX ON t ((n = ANY (ARRAY[1,2])))", "t_expr_idx"),
    ("CREATE INDEX ON t ((\"left\"(a, 2)))", "t_left_idx"),
    ("CREATE INDEX ON t (date_trunc('day', d))", "t_date_trunc_idx"),
    ("CREATE INDEX ON t ((d::date))", "t_d_idx"),
    ("CREATE INDEX ON t (((d + interval '1 day')::date))", "t_date_idx"),
    ("CREATE INDEX ON t ((n BETWEEN 1 AND 2))", "t_expr_idx"),
    ("CREATE INDEX ON t ((a LIKE 'x'))", "t_expr_idx"),
    ("CREATE INDEX ON t ((data #>> '{a,b}'), b)", "t_expr_b_idx"),
    (
        "CREATE INDEX ON aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (b)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_b_idx",
    ),
    ("CREATE INDEX ON üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü (b)", "üüüüüüüüüüüüüüüüüüüüüüüüüüüü_b_idx"),
    (
        "CREATE INDEX ON tttttttttttttttttttttttttttttttttttttttt (cccccccccccccccccccccccccccccccccccccccc)",
        "ttttttttttttttttttttttttttttt_ccccccccccccccccccccccccccccc_idx",
    ),
    (
        "CREATE INDEX ON t (a, b, c, n, m, d, bb, lower(a), upper(b), md5(c), length(a), length(b), length(c))",
        "t_a_b_c_n_m_d_bb_lower_upper_md5_length_length1_length2_idx",
    ),
    ("CREATE INDEX ON t ((a IS DISTINCT FROM b))", "t_expr_idx"),
    ("CREATE INDEX ON t ((d AT TIME ZONE 'UTC'))", "t_timezone_idx"),
    ("CREATE INDEX ON t ((ROW(n, m) IS NULL))", "t_expr_idx"),
];
