//! The language of an answer: the one that `Accept-Language` asks for (RFC 9110, section 12.5.4), otherwise the tenant's,
//! otherwise English.

use axum::http::{HeaderMap, header};

/// A language that docmill speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `ru`
    Russian,
    /// `kk`
    Kazakh,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Russian, Self::Kazakh];

    /// BCP 47.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
            Self::Kazakh => "kk",
        }
    }

    /// The language of a BCP 47 tag, if docmill speaks it: Kazakh for `kk-KZ`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|l| primary.eq_ignore_ascii_case(l.tag()))
    }

    /// The one that the client asks for among those that docmill speaks.
    pub fn asked(headers: &HeaderMap) -> Option<Self> {
        let mut best = (0_u16, None);
        for value in headers.get_all(header::ACCEPT_LANGUAGE).iter().take(4) {
            for entry in value.to_str().unwrap_or_default().split(',').take(20) {
                let mut parts = entry.split(';');
                let tag = parts.next().unwrap_or_default().trim();
                let weight = parts
                    .find_map(|p| p.trim().strip_prefix("q="))
                    .map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())
                    .filter(|q| (0.0..=1.0).contains(q))
                    .unwrap_or(0.0);
                // Three decimals are all that RFC 9110 allows.
                let weight = (weight * 1000.0) as u16;
                if weight > best.0
                    && let Some(language) = Self::of_tag(tag)
                {
                    best = (weight, Some(language));
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(value: &'static str) -> Option<Language> {
        Language::asked(&HeaderMap::from_iter([(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_static(value),
        )]))
    }

    #[test]
    fn the_heaviest_known_language_wins() {
        assert_eq!(asked("ru"), Some(Language::Russian));
        assert_eq!(asked("kk-KZ,ru;q=0.9,en;q=0.8"), Some(Language::Kazakh));
        assert_eq!(asked("de, en;q=0.3, RU-ru;q=0.7"), Some(Language::Russian));
        assert_eq!(asked("en"), Some(Language::English));
        for unknown in ["de", "", "*", "ru;q=0", "ru;q=nonsense", ";;;,,,"] {
            assert_eq!(asked(unknown), None, "{unknown}");
        }
    }
}
