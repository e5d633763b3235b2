//! Names that a user may have meant. In: a name that is unknown and those that are known. Out: the nearest, if one is
//! alike.

/// The first of the known names at the least edit distance, if that is at most a third of the letters (and at least one).
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let farthest = (name.chars().count() / 3).max(1);
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let alike = distances.filter(|(distance, _)| *distance <= farthest);
    alike.min_by_key(|(distance, _)| *distance).map(|(_, known)| known.to_owned())
}

/// The end of an error message: `; the nearest name is …`, or nothing.
pub(crate) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; the nearest name is `{nearest}`"))
}

/// Whether a name is of a pattern, in which `*` stands for any letters, none and dots among them: `*.bias`, `encoder.*`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place where a part fits leaves the most for the others.
    for part in middle.split('*') {
        let Some(position) = left.find(part) else { return false };
        left = &left[position + part.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_their_stars_can_stand_for() {
        let cases = [
            ("w", "w", true),
            ("w", "ww", false),
            ("*", "", true),
            ("*.bias", "a.b.bias", true),
            ("*.bias", "a.b.biases", false),
            ("encoder.*", "encoder.0.weight", true),
            ("encoder.*", "decoder.encoder.0", false),
            ("*norm*", "block.1.norm.gain", true),
            ("a*ba", "aba", true),
            ("a*aba", "aba", false),
            ("a*b*c*d", "a-b-c-d", true),
            ("a*b*c*d", "a-c-b-d", false),
            ("**é*", "né", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} of {name}");
        }
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
        let names = ["hidden.weight", "hidden.bias", "out.weight"];
        let cases =
            [("hiden.weight", Some("hidden.weight")), ("out.wieght", Some("out.weight")), ("loss", None), ("", None)];
        for (name, expected) in cases {
            assert_eq!(nearest(name, names).as_deref(), expected, "{name}");
        }
    }
}
