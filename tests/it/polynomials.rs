//! Attributes and sizes of a text that are polynomials of a symbol, with coefficients of any size: an error or the same result
//! in both engines.

use std::collections::BTreeSet;

use pullback::{Bindings, graph::GraphError, ops::samples};

use super::{
    limits::{excess, numbers_in, parse, text_of, with_derivatives_unless},
    symbols::{TOLD, VALUES, engines_agree_at},
};

/// Coefficients and terms beside a symbol: none, small, beyond 32 bits, the largest allowed, and too large.
const COEFFICIENTS: [i64; 6] = [0, 1, 1 << 31, 1 << 46, 1 << 62, i64::MAX];

/// Polynomials that are `own` for some value of n and far from it for others.
fn polynomials(own: &str) -> impl Iterator<Item = String> {
    COEFFICIENTS
        .into_iter()
        .flat_map(move |k| [format!("{k}*n + {own}"), format!("{k} - {k}*n + {own}"), format!("n + {k}")])
}

/// A text with one more input, whose size tells n and which has no elements, so that n may be large.
fn with_told(text: &str) -> String {
    let n_nodes = text.lines().filter(|line| line.starts_with('%')).count();
    text.replacen("return ", &format!("%{n_nodes}: f64[0, n] = input {TOLD:?}\nreturn "), 1)
}

/// Every number of every sample's text that may be a size with a symbol: of attributes in all samples, of operands in the
/// first of each primitive.
#[test]
fn any_polynomial_of_a_symbol_in_any_attribute_of_a_text_is_an_error_or_has_one_result() {
    let (mut n_read, mut n_results, mut seen, mut names) = (0, 0, BTreeSet::new(), BTreeSet::new());
    for sample in samples() {
        let is_first = names.insert(sample.op.name());
        let (text, given) = text_of(&sample);
        let text = with_told(&text);
        let last = text.find(&format!("%{}:", sample.operands.len())).expect("the primitive is there");
        for place in numbers_in(&text).into_iter().filter(|place| is_first || place.start > last) {
            let own = &text[place.clone()];
            for polynomial in polynomials(own) {
                let label = format!("{}{polynomial}{}", &text[..place.start], &text[place.end..]);
                let Some(parsed) = parse(&label) else { continue };
                if !seen.insert(parsed.to_text()) {
                    continue;
                }
                n_read += 1;
                // Axes that are merged multiply their coefficients.
                let is_expected = |mistake: &GraphError| excess(mistake).is_some();
                let y = parsed.result("y").expect("it is returned");
                let results = with_derivatives_unless(&label, &parsed.graph, y, is_expected);
                if parsed.graph.check().is_ok() {
                    let values = VALUES.into_iter().chain(own.parse());
                    let at = values.map(|n| Bindings::from([("n".into(), n)]));
                    n_results += engines_agree_at(&label, &results, &given, at);
                }
            }
        }
    }
    // That texts are read and run at all: each of some 70 primitives has an attribute or an operand with a size.
    assert!(n_read > 500 && n_results > 500, "{n_read} read, {n_results} results");
}
