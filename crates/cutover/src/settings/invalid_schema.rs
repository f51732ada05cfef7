//! Findings of a schema as one failure, with the block that the reference prints for them.

use diagnostics::{Diagnostic, Failure, Source, Span, codes};

/// The failure for a schema with these errors: the first one, with the places of the others.
pub(super) fn failure(errors: Vec<Diagnostic>) -> Failure {
    let reference = block(&errors);
    let mut errors = errors.into_iter();
    let mut first =
        errors.next().unwrap_or_else(|| Diagnostic::error("The schema is not valid").code(&codes::P1012));
    for other in errors {
        let title = other.title;
        first.labels.extend(other.labels.into_iter().map(|mut label| {
            label.message =
                if label.message.is_empty() { title.clone() } else { format!("{title} ({})", label.message) };
            label
        }));
    }
    Failure::new(first.reference(reference))
}

/// The reference's text: each error with the lines it stands in and the one before them, then their number.
fn block(errors: &[Diagnostic]) -> String {
    let mut text = "Prisma schema validation - (get-config wasm)\nError code: P1012\n".to_owned();
    for error in errors {
        text.push_str(&format!("error: {}\n", error.title));
        if let Some(label) = error.labels.first() {
            text.push_str(&excerpt(&label.source, label.window.unwrap_or(label.span)));
        }
    }
    text.push_str(&format!("\nValidation Error Count: {}\n[Context: getConfig]", errors.len()));
    text
}

fn excerpt(source: &Source, span: Span) -> String {
    let (first, last) = (source.position(span.start).line, source.position(span.end).line);
    let mut text = format!("  -->  {}:{first}\n   | \n", source.name());
    if first == 1 {
        // The reference prints the line before in any case, here an empty one without a number.
        text.push_str("   | \n");
    }
    for (number, line) in (1..).zip(source.text().lines()) {
        if (first.saturating_sub(1)..=last).contains(&number) {
            text.push_str(&format!("{number:2} | {line}\n"));
        }
    }
    text.push_str("   | \n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str) -> String {
        let parse = psl::parse(&Source::new("schema.prisma", schema));
        let (_, findings) = psl::config(std::slice::from_ref(&parse));
        let failure = failure(parse.diagnostics().iter().cloned().chain(findings).collect());
        failure.diagnostic().reference.clone().unwrap()
    }

    /// The texts are those that the reference prints for these schemas.
    #[test]
    fn the_block_is_the_one_of_the_reference() {
        let schema = "datasource db {\n  provider = \"postgresql\"\n  url      = env(\"DATABASE_URL\")\n}\n\nmodel A {\n  id @id\n}\n";
        assert_eq!(
            told(schema),
            "Prisma schema validation - (get-config wasm)
Error code: P1012
error: Error validating model \"A\": This field declaration is invalid. It is either missing a name or a type.
  -->  schema.prisma:7
   | 
 6 | model A {
 7 |   id @id
 8 | }
   | 

Validation Error Count: 1
[Context: getConfig]"
        );
    }

    #[test]
    fn the_first_line_has_an_empty_one_before_it() {
        let block = told("what\n");
        assert!(block.contains("  -->  schema.prisma:1\n   | \n   | \n 1 | what\n"), "{block}");
    }
}
