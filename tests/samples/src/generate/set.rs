//! The documents that the repository keeps, and how to make any number of others.

use super::certificate::{self, Kind as CertificateKind};
use super::invoice::{self, Currency};
use super::random::Random;
use super::render::text::CodePage;
use super::style::{Layout, Noise, Style};
use super::words::Notation;
use super::{Format, Kind, Spec};

/// The demo's default documents, four formats.
pub const DEMO: [&str; 4] = [
    "invoice-kzt.pdf",
    "certificate-work.docx",
    "form.html",
    "letter.txt",
];

/// The documents that the repository keeps.
pub fn chosen() -> Vec<Spec<'static>> {
    let plain = Style::PLAIN;
    let layout = plain.layout;
    let noise = plain.noise;
    let spec = |name, seed, kind, format, style| Spec {
        name,
        seed,
        kind,
        format,
        style,
    };
    let pages = |code_page| Format::Text(code_page);
    // What an old code page cannot hold is written with what it has.
    let old = Style {
        noise: Noise {
            plain_marks: true,
            ..noise
        },
        ..plain
    };
    vec![
        spec(
            "invoice-kzt",
            11,
            invoice(Currency::Tenge, 5, false),
            Format::Pdf,
            Style {
                layout: Layout {
                    two_columns: true,
                    merged_header: true,
                    ..layout
                },
                ..plain
            },
        ),
        spec(
            "invoice-two-pages",
            12,
            invoice(Currency::Tenge, 34, false),
            Format::Pdf,
            Style {
                layout: Layout { grid: true, ..layout },
                amounts: Notation::THIN,
                ..plain
            },
        ),
        spec(
            "invoice-wrong-total",
            13,
            invoice(Currency::Rouble, 4, true),
            Format::Pdf,
            Style {
                noise: Noise {
                    synonyms: true,
                    watermark: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "invoice-rub",
            14,
            invoice(Currency::Rouble, 6, false),
            Format::Docx,
            Style {
                layout: Layout {
                    grid: true,
                    merged_header: true,
                    ..layout
                },
                noise: Noise {
                    plain_yo: true,
                    ..noise
                },
                amounts: Notation::NO_BREAK,
            },
        ),
        spec(
            "invoice-usd",
            15,
            invoice(Currency::Dollar, 4, false),
            Format::Html,
            plain,
        ),
        spec(
            "invoice-sheet",
            16,
            invoice(Currency::Tenge, 7, false),
            Format::Xlsx,
            Style {
                noise: Noise {
                    synonyms: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "invoice-export",
            17,
            invoice(Currency::Tenge, 3, false),
            Format::Csv,
            Style {
                noise: Noise {
                    synonyms: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "certificate-work",
            21,
            certificate(CertificateKind::Employment, true, false, false),
            Format::Docx,
            Style {
                noise: Noise {
                    plain_yo: true,
                    extra_spaces: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "certificate-kazakh",
            22,
            certificate(CertificateKind::Kazakh, false, false, false),
            Format::Pdf,
            Style {
                layout: Layout {
                    two_columns: true,
                    ..layout
                },
                noise: Noise {
                    upper_case: true,
                    hyphenation: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "certificate-other-person",
            23,
            certificate(CertificateKind::Training, true, true, false),
            pages(CodePage::Windows1251),
            Style {
                noise: Noise {
                    hyphenation: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "certificate-undated",
            24,
            certificate(CertificateKind::Employment, false, false, true),
            pages(CodePage::Cp866),
            old,
        ),
        spec(
            "form",
            31,
            Kind::Form { consent: true },
            Format::Html,
            Style {
                layout: Layout { grid: true, ..layout },
                ..plain
            },
        ),
        spec(
            "form-without-consent",
            32,
            Kind::Form { consent: false },
            Format::Pdf,
            Style {
                layout: Layout {
                    labels_above: true,
                    ..layout
                },
                noise: Noise {
                    upper_case: true,
                    synonyms: true,
                    watermark: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "letter",
            41,
            Kind::Letter { english: false },
            pages(CodePage::Utf8),
            Style {
                layout: Layout {
                    two_columns: true,
                    ..layout
                },
                noise: Noise {
                    hyphenation: true,
                    ..noise
                },
                ..plain
            },
        ),
        spec(
            "letter-koi8",
            42,
            Kind::Letter { english: false },
            pages(CodePage::Koi8R),
            Style {
                noise: Noise {
                    synonyms: true,
                    ..old.noise
                },
                ..old
            },
        ),
        spec(
            "letter-english",
            43,
            Kind::Letter { english: true },
            Format::Markdown,
            plain,
        ),
    ]
}

/// `count` further documents with variants drawn from the seed. Their names say their number and kind.
pub fn random(seed: u64, count: u64) -> Vec<(String, Spec<'static>)> {
    (0..count)
        .map(|at| {
            let seed = seed.wrapping_mul(0x9E37_79B9).wrapping_add(at);
            let mut random = Random::new(seed);
            let (kind, word) = random_kind(&mut random);
            let format = random_format(&mut random, kind);
            let spec = Spec {
                name: "",
                seed,
                kind,
                format,
                style: Style::random(&mut random),
            };
            (format!("{at:04}-{word}"), spec)
        })
        .collect()
}

fn random_kind(random: &mut Random) -> (Kind, &'static str) {
    match random.between(0, 9) {
        0..4 => {
            let currency = random.pick(&[Currency::Tenge, Currency::Rouble, Currency::Dollar]);
            (
                invoice(
                    currency,
                    random.between(1, 40) as usize,
                    random.between(0, 7) == 0,
                ),
                "invoice",
            )
        }
        4..7 => {
            let kinds = [
                CertificateKind::Employment,
                CertificateKind::Training,
                CertificateKind::Kazakh,
            ];
            let (other, undated) = (random.between(0, 7) == 0, random.between(0, 7) == 0);
            (
                certificate(random.pick(&kinds), random.coin(), other, undated),
                "certificate",
            )
        }
        7 => (
            Kind::Form {
                consent: random.between(0, 5) > 0,
            },
            "form",
        ),
        _ => (
            Kind::Letter {
                english: random.coin(),
            },
            "letter",
        ),
    }
}

/// Tables stay out of plain text, and letters out of sheets.
fn random_format(random: &mut Random, kind: Kind) -> Format {
    match kind {
        Kind::Invoice(_) => random.pick(&[
            Format::Pdf,
            Format::Docx,
            Format::Xlsx,
            Format::Html,
            Format::Csv,
            Format::Markdown,
        ]),
        _ => random.pick(&[
            Format::Pdf,
            Format::Docx,
            Format::Html,
            Format::Text(CodePage::Utf8),
            Format::Markdown,
        ]),
    }
}

fn invoice(currency: Currency, lines: usize, wrong_total: bool) -> Kind {
    Kind::Invoice(invoice::Order {
        currency,
        lines,
        wrong_total,
    })
}

fn certificate(kind: CertificateKind, prose: bool, other_person: bool, undated: bool) -> Kind {
    Kind::Certificate(certificate::Order {
        kind,
        prose,
        other_person,
        undated,
    })
}
