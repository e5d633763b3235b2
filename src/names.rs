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

#[cfg(test)]
mod tests {
    use super::*;

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
