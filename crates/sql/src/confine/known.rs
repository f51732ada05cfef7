// Long because it is a table.
//! The words that a parenthesis may follow: those that call nothing, and the functions that do no more than read and compute.
//!
//! A name that is missing costs a false alarm; one that is here and does more opens the whole list. So each of these
//! was looked at: no function that reads files or reaches for another host, none that runs SQL it is given as text, none that
//! changes what is not the database's own. Those of PostgreSQL are what its catalogue calls immutable or stable, without what serves
//! the server itself.

use crate::functions;
use diagnostics::Provider;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Whether a function does no more than read and compute, or write what is the database's own.
pub(crate) fn is_harmless(name: &str, provider: Provider) -> bool {
    let of_product = match provider {
        Provider::PostgreSql => &OF_POSTGRES,
        Provider::MySql => &OF_MYSQL,
        Provider::Sqlite => &OF_SQLITE,
    };
    functions::is_harmless(name, provider) || of_product.contains(name)
}

/// Whether a parenthesis behind this word makes no call of it in a definition: a keyword, a type, a method.
pub(super) fn is_defining(word: &str) -> bool {
    WORDS.contains(word)
}

type Set = LazyLock<BTreeSet<&'static str>>;

static WORDS: Set = LazyLock::new(|| set(&[DEFINING]));
static OF_POSTGRES: Set = LazyLock::new(|| set(&[DATABASE, COMPUTING, EXTENSIONS, POSTGRES, CATALOGUE]));
static OF_MYSQL: Set = LazyLock::new(|| set(&[DATABASE, COMPUTING, EXTENSIONS, MYSQL]));
static OF_SQLITE: Set = LazyLock::new(|| set(&[DATABASE, COMPUTING, EXTENSIONS, SQLITE]));

fn set(lists: &[&'static str]) -> BTreeSet<&'static str> {
    lists.iter().flat_map(|list| list.split_ascii_whitespace()).collect()
}

/// Keywords, types and methods.
const DEFINING: &str = "always analyze bernoulli bigint binary blob bpchar brin btree column copy cube datetime dec default \
    double elseif elsif enum exclude execute explain foreign fts3 fts4 fts5 fulltext geography geometry \
    geopoly gin gist grouping halfvec hash hnsw identity include index inherits int integer into ivfflat \
    list mediumint national nchar nothing null number nvarchar of ordinality preceding primary range \
    real reindex return returns rollup rtree separator setof smallint spgist split stored system \
    temporary text than timestamptz timetz tinyint to trigger until vacuum varbinary varbit varchar2 \
    variadic vector view virtual while year";

/// Of sequences, settings and locks of the database, and of its catalogue.
const DATABASE: &str = "changes charset col_description collation connection_id current_schemas database format_type \
    found_rows has_column_privilege has_database_privilege has_schema_privilege has_table_privilege \
    last_insert_id lastval pg_advisory_lock pg_advisory_unlock pg_advisory_xact_lock pg_notify \
    pg_try_advisory_lock pg_try_advisory_xact_lock schema session_user set_config setval \
    shobj_description to_regnamespace to_regproc to_regprocedure to_regrole total_changes txid_current \
    user";

/// Of text, numbers, time, arrays, ranges, JSON, XML, search, networks and geometry; aggregates and windows.
const COMPUTING: &str = "abbrev acos any_value array_dims array_fill array_lower array_ndims array_positions array_prepend \
    array_replace array_to_json array_upper ascii asin atan atan2 bin bin_to_uuid bit_and bit_count \
    bit_length bit_or bit_xor bm25 box broadcast cardinality cbrt char character_length chr circle conv \
    convert_from convert_to corr cos cot crc32 curdate current_date current_time date_bin daterange \
    degrees every extractvalue factorial family from_base64 from_days gcd get_byte glob group_concat \
    highlight host hostmask inet inet6_aton inet6_ntoa inet_aton inet_merge inet_ntoa int4range \
    int8range is_uuid isempty isfinite isnull json_array_append json_array_elements_text \
    json_array_insert json_array_length json_arrayagg json_compact json_contains json_contains_path \
    json_depth json_detailed json_each_text json_exists json_extract_path json_extract_path_text \
    json_insert json_keys json_length json_merge_patch json_merge_preserve json_object_agg \
    json_object_keys json_objectagg json_patch json_populate_record json_query json_quote json_remove \
    json_replace json_search json_strip_nulls json_table json_to_record json_to_recordset json_tree \
    json_typeof json_unquote json_value jsonb jsonb_build jsonb_extract_path jsonb_extract_path_text \
    jsonb_insert jsonb_object_agg_unique jsonb_path_exists jsonb_path_query jsonb_path_query_array \
    jsonb_path_query_first jsonb_populate_record jsonb_pretty jsonb_to_record jsonb_to_recordset \
    justify_days justify_hours justify_interval lcm likely line log log10 log2 lower_inc lower_inf lseg \
    make_time make_timestamptz masklen md4 median mode netmask network normalize notnull now \
    num_nonnulls num_nulls numnode numrange nvl nvl2 oct ord overlaps parse_ident path percentile_cont \
    percentile_disc period_add period_diff phraseto_tsquery pi plainto_tsquery point polygon quote \
    radians rand range_agg regexp_count regexp_instr regexp_like regexp_substr regr_slope sec_to_time \
    set_byte set_masklen setseed setweight sha1 sha2 sha224 sha384 sha512 sin snippet soundex space \
    sqlite_source_id starts_with std stddev stddev_pop stddev_samp strcmp string_to_table strip \
    suppress_redundant_updates_trigger sys_guid tan time_to_sec timestamp timestampadd timestampdiff \
    to_ascii to_base64 to_char to_days to_hex to_seconds trim_array ts_headline ts_rank ts_rank_cd \
    tsrange tstzrange tsvector_update_trigger unicode unlikely updatexml upper_inc upper_inf uuid_short \
    uuid_to_bin var_pop var_samp variance websearch_to_tsquery weekofyear yearweek zeroblob";

/// Of the extensions that may be made.
const EXTENSIONS: &str = "akeys armor avals cosine_distance crypt dmetaphone earth_box earth_distance gen_salt hmac hstore \
    l2_distance levenshtein ll_to_earth metaphone nlevel pgp_sym_decrypt pgp_sym_encrypt show_trgm \
    similarity st_asgeojson st_astext st_contains st_distance st_dwithin st_geogfromtext st_geomfromtext \
    st_intersects st_makepoint st_point st_setsrid st_transform st_x st_y subpath unaccent \
    uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuid_nil \
    word_similarity";

/// PostgreSQL's own: what its catalogue calls immutable or stable, and what its grammar makes of XML and time.
const POSTGRES: &str = "acosd acosh area array_reverse array_sample array_shuffle array_sort array_to_tsvector asind asinh \
    atan2d atand atanh bool bpchar casefold cash_words center cidr cosd cosh cotd covar_pop covar_samp \
    crc32c current_timestamp date_subtract datemultirange diagonal diameter enum_first enum_last \
    enum_range erf erfc float4 float8 gamma generate_subscripts get_bit get_current_ts_config \
    getdatabaseencoding has_any_column_privilege has_foreign_data_wrapper_privilege \
    has_function_privilege has_language_privilege has_parameter_privilege has_sequence_privilege \
    has_server_privilege has_tablespace_privilege has_type_privilege height icu_unicode_version \
    inet_client_addr inet_client_port inet_server_addr inet_server_port int2 int4 int4inc int4multirange \
    int8 int8multirange is_normalized isclosed ishorizontal isopen isparallel isperp isvertical \
    json_populate_recordset json_scalar json_serialize json_to_tsvector jsonb_object \
    jsonb_object_agg_strict jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz \
    jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_recordset \
    jsonb_set_lax jsonb_to_tsvector lgamma macaddr macaddr8 macaddr8_set7bit min_scale money multirange \
    mxid_age name notlike npoints numeric_div_trunc numeric_exp numeric_ln numeric_log numeric_sqrt \
    nummultirange oid oidvectortypes pclose popen pow querytree radius random_normal range_intersect_agg \
    range_merge regclass regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_sxx regr_sxy \
    regr_syy row_security_active satisfies_hash_partition scale set_bit sind sinh slope system_user tand \
    tanh text textlen timeofday timestamptz timetz to_bin to_oct to_regcollation to_regoper \
    to_regoperator to_regtypemod treat trim_scale ts_debug ts_delete ts_filter ts_lexize ts_parse \
    ts_token_type tsmultirange tsquery_phrase tstzmultirange tsvector_to_array txid_current_if_assigned \
    txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin \
    txid_visible_in_snapshot unicode_assigned unicode_version uuid_extract_timestamp \
    uuid_extract_version varbit width xid xml xml_is_well_formed xml_is_well_formed_content \
    xml_is_well_formed_document xmlattributes xmlcomment xmlconcat xmlelement xmlexists xmlforest \
    xmlparse xmlpi xmlroot xmlserialize xmltable xmltext xpath xpath_exists";

/// Functions of PostgreSQL whose names begin with `pg_` and that read.
const CATALOGUE: &str = "pg_backend_pid pg_client_encoding pg_column_size pg_current_xact_id pg_get_constraintdef pg_get_expr \
    pg_get_function_arguments pg_get_function_identity_arguments pg_get_functiondef pg_get_indexdef \
    pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_indexes_size \
    pg_input_is_valid pg_is_in_recovery pg_my_temp_schema pg_relation_size pg_size_pretty pg_sleep \
    pg_table_is_visible pg_table_size pg_total_relation_size pg_type_is_visible pg_typeof";

/// MySQL's and MariaDB's own.
const MYSQL: &str = "add_months adddate addtime aes_decrypt aes_encrypt against coercibility column_add column_check \
    column_create column_delete column_exists column_get column_json column_list compress contains \
    convert_tz crc32c crosses disjoint encrypt equals export_set format_bytes format_pico_time \
    geometrycollection get_format intersects is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 \
    json_array_intersect json_equals json_key_value json_loose json_merge json_normalize \
    json_object_filter_keys json_object_to_array json_overlaps json_pretty json_schema_valid \
    json_schema_validation_report json_storage_free json_storage_size lengthb linestring make_set \
    maketime match mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequal mbrequals mbrintersects \
    mbroverlaps mbrtouches mbrwithin microsecond multilinestring multipoint multipolygon \
    natural_sort_key random_bytes sformat sha st_area st_asbinary st_aswkb st_aswkt st_boundary \
    st_buffer st_buffer_strategy st_centroid st_collect st_convexhull st_crosses st_difference \
    st_dimension st_disjoint st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring \
    st_frechetdistance st_geohash st_geomcollfromtext st_geomcollfromwkb st_geometryfromtext \
    st_geometryfromwkb st_geometryn st_geometrytype st_geomfromgeojson st_geomfromwkb \
    st_hausdorffdistance st_interiorringn st_intersection st_isclosed st_isempty st_isring st_issimple \
    st_isvalid st_latfromgeohash st_latitude st_length st_linefromtext st_linefromwkb \
    st_lineinterpolatepoint st_longfromgeohash st_longitude st_makeenvelope st_mlinefromtext \
    st_mpointfromtext st_mpolyfromtext st_numgeometries st_numinteriorrings st_numpoints st_overlaps \
    st_pointatdistance st_pointfromgeohash st_pointfromtext st_pointfromwkb st_pointn st_pointonsurface \
    st_polyfromtext st_polyfromwkb st_relate st_simplify st_srid st_startpoint st_swapxy \
    st_symdifference st_touches st_union st_validate st_within statement_digest statement_digest_text \
    subdate subtime system_user time_format touches uncompress uncompressed_length utc_date utc_time \
    uuid_v4 uuid_v7 vec_distance vec_distance_cosine vec_distance_euclidean vec_fromtext vec_totext \
    weight_string";

/// SQLite's own. `raise` ends a trigger.
const SQLITE: &str = "acosh asinh atanh cosh fts5_source_id geopoly_area geopoly_bbox geopoly_blob geopoly_ccw \
    geopoly_contains_point geopoly_group_bbox geopoly_json geopoly_overlap geopoly_regular geopoly_svg \
    geopoly_within geopoly_xform json_error_position json_pretty jsonb_array jsonb_extract \
    jsonb_group_array jsonb_group_object jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_tree \
    likelihood match matchinfo offsets percentile pow raise rtreecheck rtreedepth sinh \
    sqlite_compileoption_get sqlite_compileoption_used sqlite_offset subtype tanh timediff unistr_quote";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_without_duplicates() {
        for table in [DEFINING, DATABASE, COMPUTING, EXTENSIONS, POSTGRES, CATALOGUE, MYSQL, SQLITE] {
            let words: Vec<&str> = table.split_ascii_whitespace().collect();
            for pair in words.windows(2) {
                assert!(pair[0] < pair[1], "{} before {}", pair[0], pair[1]);
            }
        }
    }
}
