//! "Did you mean …?"

/// The known name that is most like `name`, if one is like it enough to be what was meant.
pub(crate) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: String = name.chars().take(120).collect();
    let likeness = |other: &str| {
        // Jaro-Winkler makes little of one slip in a short name.
        let one_slip = name.chars().count() > 2 && strsim::osa_distance(&name, other) == 1;
        strsim::jaro_winkler(&name, other).max(if one_slip { 0.9 } else { 0.0 })
    };
    known
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn only_what_is_like_it() {
        assert_eq!(
            near("docmil/pdf", ["docmill/pdf", "docmill/html"]),
            Some("docmill/pdf")
        );
        assert_eq!(near("parms", ["params", "fields"]), Some("params"));
        assert_eq!(near("foi", ["fio"]), Some("fio"));
        assert_eq!(near("zzz", ["params", "fields"]), None);
    }
}
