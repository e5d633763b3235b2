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

/// The least number of letters to be changed, added or left out for a name to match a pattern, in which `*` stands for any
/// letters or none, and `?` for one.
fn pattern_distance(pattern: &str, name: &str) -> usize {
    let name: Vec<char> = name.chars().collect();
    // The distances of the pattern so far to each beginning of the name.
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for letter in pattern.chars() {
        let mut next = vec![row[0] + usize::from(letter != '*')];
        for (position, other) in name.iter().enumerate() {
            let (diagonal, above, before) = (row[position], row[position + 1], next[position]);
            next.push(match letter {
                '*' => above.min(before),
                _ => (diagonal + usize::from(letter != '?' && letter != *other)).min(above + 1).min(before + 1),
            });
        }
        row = next;
    }
    row[name.len()]
}

/// Whether a name matches one of these patterns, in which `*` stands for any letters or none, and `?` for one.
pub(crate) fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern_distance(pattern, name) == 0)
}

/// Checks that a pattern matches a name.
///
/// # Errors
/// It matches none: the name that is nearest to it, if at most half of its letters are others.
pub(crate) fn check_pattern<'a>(pattern: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Option<String>> {
    let distances = names.map(|name| (pattern_distance(pattern, name), name));
    let nearest = distances.min_by_key(|(distance, _)| *distance);
    if nearest.is_some_and(|(distance, _)| distance == 0) {
        return Ok(());
    }
    let farthest = pattern.chars().filter(|letter| *letter != '*').count() / 2;
    Err(nearest.filter(|(distance, _)| *distance <= farthest).map(|(_, name)| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_letters_and_question_marks_for_one() {
        let cases = [
            ("*", "", true),
            ("*", "a.b", true),
            ("", "", true),
            ("", "a", false),
            ("*.bias", "a.b.bias", true),
            ("*.bias", "bias", false),
            ("*norm*", "layer_norm.gain", true),
            ("encoder.*", "decoder.encoder.", false),
            ("a*a*b", "aab", true),
            ("a*a*b", "ab", false),
            ("l?.w", "l3.w", true),
            ("l?.w", "l.w", false),
            ("ω*é", "ω·é", true),
        ];
        for (pattern, name, is_match) in cases {
            assert_eq!(matches_any(&[pattern.to_owned()], name), is_match, "{pattern} and {name}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told_with_the_nearest_name() {
        let names = ["hidden.weight", "hidden.bias", "norm.gain"];
        assert_eq!(check_pattern("*.weight", names.into_iter()), Ok(()));
        for (pattern, nearest) in
            [("*.bais", Some("hidden.bias")), ("*morn*", Some("norm.gain")), ("out.*", None), ("", None)]
        {
            assert_eq!(check_pattern(pattern, names.into_iter()), Err(nearest.map(str::to_owned)), "{pattern}");
        }
        assert_eq!(check_pattern("*", [].into_iter()), Err(None));
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
