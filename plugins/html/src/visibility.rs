//! What a reader of the page does not see. Style sheets are not evaluated; what elements say of themselves is.

use dom_query::NodeRef;

/// Elements whose content is no text of the page.
pub fn is_silent(name: &str) -> bool {
    matches!(
        name,
        "head"
            | "script"
            | "style"
            | "noscript"
            | "template"
            | "iframe"
            | "object"
            | "embed"
            | "svg"
            | "canvas"
            | "video"
            | "audio"
            | "map"
            | "button"
            | "datalist"
            | "rt"
            | "rp"
            | "annotation"
            | "annotation-xml"
            | "progress"
            | "meter"
            | "noframes"
    )
}

/// Whether an element hides itself.
pub fn is_hidden(node: &NodeRef<'_>) -> bool {
    let Some(element) = node.element_ref() else {
        return false;
    };
    let closed = &*element.name.local == "dialog" && !element.has_attr("open");
    closed
        || element
            .attrs
            .iter()
            .any(|attribute| match &*attribute.name.local {
                "hidden" => !attribute.value.eq_ignore_ascii_case("until-found"),
                "style" => hides(&attribute.value),
                "type" => &*element.name.local == "input" && attribute.value.eq_ignore_ascii_case("hidden"),
                _ => false,
            })
}

/// Whether an element stands beside a page's main content, by what it is or is called.
pub fn is_beside(name: &str, node: &NodeRef<'_>) -> bool {
    const NAMES: [&str; 15] = [
        "comment",
        "disqus",
        "sidebar",
        "related",
        "recommend",
        "widget",
        "cookie",
        "share",
        "social",
        "menu",
        "breadcrumb",
        "replies",
        "newsletter",
        "subscri",
        "advert",
    ];
    let role = node.attr("role");
    let called = |attribute: &str| {
        node.attr(attribute).is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            NAMES.iter().any(|name| value.contains(name))
        })
    };
    matches!(name, "nav" | "aside" | "footer")
        || matches!(
            role.as_deref(),
            Some("navigation" | "complementary" | "banner" | "contentinfo")
        )
        || called("class")
        || called("id")
}

fn hides(style: &str) -> bool {
    if style.len() > 10_000 {
        return false;
    }
    let style: String = style
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    style.split(';').any(|rule| {
        let rule = rule.strip_suffix("!important").unwrap_or(rule);
        matches!(
            rule,
            "display:none"
                | "visibility:hidden"
                | "visibility:collapse"
                | "font-size:0"
                | "font-size:0px"
                | "opacity:0"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::hides;

    #[test]
    fn styles_that_hide() {
        for style in [
            "display:none",
            " color: red; DISPLAY : none !important;",
            "visibility:hidden",
            "font-size: 0",
        ] {
            assert!(hides(style), "{style}");
        }
        for style in [
            "",
            "display:block",
            "font-size:0.9em",
            "x-display:none-such",
            "opacity:0.5",
        ] {
            assert!(!hides(style), "{style}");
        }
    }
}
