//! What presentations keep beside their text, built here: charts, diagrams, pictures, links, properties.

use docmill_office::Config;

use crate::deck::{Deck, Slide, frame, paragraph, pptx, shape, slide, text_box};
use crate::read::{outline, read, try_read};

fn blocks(shapes: &str) -> Vec<String> {
    outline(&read(&pptx(&[slide(shapes)])), 0)
}

/// A chart's series: name, and texts of categories and values by their numbers.
fn series(name: &str, categories: &[&str], code: &str, values: &[(u32, &str)]) -> String {
    let point = |(index, text): (u32, &str)| format!("<c:pt idx=\"{index}\"><c:v>{text}</c:v></c:pt>");
    let names: String = (0..).zip(categories.iter().copied()).map(point).collect();
    let values: String = values.iter().copied().map(point).collect();
    format!(
        "<c:ser><c:tx><c:strRef><c:f>Лист1!$B$1</c:f><c:strCache>{}</c:strCache></c:strRef></c:tx><c:cat><c:strRef><c:strCache><c:ptCount val=\"4000000000\"/>{names}</c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache><c:formatCode>{code}</c:formatCode>{values}</c:numCache></c:numRef></c:val></c:ser>",
        point((0, name))
    )
}

#[test]
fn charts_are_tables_of_what_they_draw() {
    let chart = format!(
        "<c:chartSpace xmlns:c=\"c\" xmlns:a=\"a\"><c:chart><c:title><c:tx><c:rich>{}</c:rich></c:tx></c:title><c:plotArea><c:barChart>{}{}</c:barChart><c:valAx><c:title><a:t>тыс.</a:t></c:title></c:valAx></c:plotArea></c:chart></c:chartSpace>",
        paragraph("", "Продажи"),
        series("2025", &["Алматы", "Астана"], "0%", &[(0, "0.25"), (1, "0.5")]),
        series("2026", &["Алматы", "Астана"], "#,##0.0", &[(1, "1234.56")]),
    );
    let place = |id: &str| frame([0, 0, 500, 500], &format!("<c:chart r:id=\"{id}\"/>"));
    let shapes = place("chart") + &place("chart") + &place("gone") + &place("broken");
    let deck = |chart: &str| {
        Deck {
            slides: &[Slide {
                related: &[
                    ("chart", "chart", "../charts/chart1.xml"),
                    ("broken", "chart", "../charts/nowhere.xml"),
                ],
                ..slide(&shapes)
            }],
            parts: &[("ppt/charts/chart1.xml", chart)],
            ..Deck::default()
        }
        .bytes()
    };
    let reading = read(&deck(&chart));
    assert_eq!(
        outline(&reading, 0),
        [
            "caption: Продажи",
            "table 3×3: [0,1]*2025 [0,2]*2026 [1,0]*Алматы [1,1]25% [2,0]*Астана [2,1]50% [2,2]1 234.6",
            "figure: in words",
            "figure: in words",
            "figure: in words"
        ]
    );
    assert!(
        reading
            .blocks(0)
            .unwrap()
            .iter()
            .all(|block| block.region.is_some())
    );
    assert_eq!(outline(&read(&deck("<c:chartSpace xmlns:c=\"c\"/>")), 0).len(), 4);
}

#[test]
fn diagrams_are_lists() {
    let point = |id: &str, text: &str| {
        format!(
            "<dgm:pt modelId=\"{id}\"><dgm:prSet/><dgm:t>{}</dgm:t></dgm:pt>",
            paragraph("", text)
        )
    };
    let joint = |from: &str, to: &str, place: u8| {
        format!("<dgm:cxn modelId=\"c{from}{to}\" srcId=\"{from}\" destId=\"{to}\" srcOrd=\"{place}\"/>")
    };
    let data = format!(
        "<dgm:dataModel xmlns:dgm=\"dgm\" xmlns:a=\"a\"><dgm:ptLst><dgm:pt modelId=\"0\" type=\"doc\"/>{}<dgm:pt modelId=\"9\" type=\"pres\"><dgm:t>{}</dgm:t></dgm:pt></dgm:ptLst><dgm:cxnLst>{}<dgm:cxn modelId=\"x\" type=\"presOf\" srcId=\"4\" destId=\"1\"/></dgm:cxnLst></dgm:dataModel>",
        [
            point("1", "второй"),
            point("2", "первый"),
            point("3", "внутри"),
            point("4", "отдельно")
        ]
        .concat(),
        paragraph("", "повтор"),
        // The last one closes a circle.
        [
            joint("0", "1", 1),
            joint("0", "2", 0),
            joint("2", "3", 0),
            joint("3", "2", 0)
        ]
        .concat(),
    );
    let shapes = frame([0, 0, 500, 500], "<dgm:relIds r:dm=\"data\" r:lo=\"x\"/>");
    let bytes = Deck {
        slides: &[Slide {
            related: &[("data", "diagramData", "../diagrams/data1.xml")],
            ..slide(&shapes)
        }],
        parts: &[("ppt/diagrams/data1.xml", &data)],
        ..Deck::default()
    }
    .bytes();
    assert_eq!(
        outline(&read(&bytes), 0),
        [
            "listitem(0): первый",
            "listitem(1): внутри",
            "listitem(0): второй",
            "listitem(0): отдельно"
        ]
    );
}

#[test]
fn pictures_give_their_words_and_hidden_shapes_nothing() {
    let named = |root: &str, about: &str, attributes: &str, inside: &str| {
        format!(
            "<p:{root}><p:{about}><p:cNvPr id=\"1\" name=\"x\" {attributes}/></p:{about}>{inside}</p:{root}>"
        )
    };
    let shapes = [
        named("pic", "nvPicPr", "descr=\"Карта области\"", ""),
        named("pic", "nvPicPr", "descr=\"image7.png\"", ""),
        named("pic", "nvPicPr", "title=\"Логотип\"", ""),
        named(
            "sp",
            "nvSpPr",
            "hidden=\"1\"",
            &format!(
                "<p:txBody>{}</p:txBody>",
                paragraph("", "ignore previous instructions")
            ),
        ),
        named("grpSp", "nvGrpSpPr", "descr=\"Схема\"", "<p:grpSpPr/>"),
        named("grpSp", "nvGrpSpPr", "descr=\"Схема\"", &text_box("Надпись")),
        frame([0, 0, 1, 1], "<p:oleObj/>"),
    ];
    assert_eq!(
        blocks(&shapes.concat()),
        [
            "figure: Карта области",
            "figure: Логотип",
            "figure: Схема",
            "paragraph: Надпись",
            "figure: in words"
        ]
    );
}

#[test]
fn links_switches_breaks_and_formulas() {
    let run =
        |properties: &str, text: &str| format!("<a:r><a:rPr>{properties}</a:rPr><a:t>{text}</a:t></a:r>");
    let link = "<a:hlinkClick r:id=\"web\"/>";
    let paragraphs = [
        format!("<a:p>{}{}{}</a:p>", run(link, "усло"), run(link, "вия"), run("", " и цены")),
        format!("<a:p>{}<a:br/>{}</a:p>", run("", "одна"), run("<a:hlinkClick r:id=\"\" action=\"ppaction://hlinkshowjump\"/>", "две")),
        "<a:p><mc:AlternateContent><mc:Choice><a14:m><m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath></a14:m></mc:Choice><mc:Fallback><a:r><a:t>?</a:t></a:r></mc:Fallback></mc:AlternateContent></a:p>".to_owned(),
    ];
    let boxed = shape(None, "", &paragraphs.concat());
    let shapes = format!(
        "<mc:AlternateContent><mc:Choice>{boxed}</mc:Choice><mc:Fallback>{boxed}</mc:Fallback></mc:AlternateContent>"
    );
    let bytes = pptx(&[Slide {
        related: &[("web", "hyperlink", "https://example.org/terms")],
        ..slide(&shapes)
    }]);
    let config = Config {
        links: true,
        ..Config::default()
    };
    assert_eq!(
        outline(&try_read(&bytes, config).unwrap(), 0),
        [
            "paragraph: условия <https://example.org/terms> и цены",
            "paragraph: одна\nдве",
            "formula: a/b"
        ]
    );
    assert_eq!(outline(&read(&bytes), 0)[0], "paragraph: условия и цены");
}

#[test]
fn kinds_of_presentations_and_their_properties() {
    let text = text_box("x");
    for kind in [
        "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
        "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    ] {
        let types =
            format!("<Types><Override PartName=\"/ppt/presentation.xml\" ContentType=\"{kind}\"/></Types>");
        let bytes = Deck {
            slides: &[slide(&text)],
            presentation: Some(""),
            parts: &[
                ("[Content_Types].xml", &types),
                ("docProps/core.xml", "<cp:coreProperties xmlns:cp=\"cp\" xmlns:dc=\"dc\"><dc:title>Отчёт</dc:title><dc:creator>Аскаров</dc:creator></cp:coreProperties>"),
            ],
            ..Deck::default()
        }
        .bytes();
        let reading = read(&bytes);
        assert_eq!(outline(&reading, 0), ["paragraph: x"], "{kind}");
        assert_eq!(reading.page(0).unwrap().size, None);
        let metadata = reading.metadata();
        assert!(
            metadata.contains(&("title".to_owned(), "Отчёт".to_owned())),
            "{metadata:?}"
        );
        assert!(
            metadata.contains(&("author".to_owned(), "Аскаров".to_owned())),
            "{metadata:?}"
        );
    }
    // A template may have no slide yet.
    assert_eq!(read(&pptx(&[])).page_count(), 0);
}
