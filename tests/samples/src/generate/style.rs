//! Variants of layout and noise, the same for every kind of document.

use super::page::Document;
use super::random::Random;
use super::words::Notation;

#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub layout: Layout,
    pub noise: Noise,
    pub amounts: Notation,
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Layout {
    /// Seller and buyer, or sender and addressee, side by side.
    pub two_columns: bool,
    /// Some columns of a table stand under a common heading.
    pub merged_header: bool,
    pub labels_above: bool,
    pub grid: bool,
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Noise {
    /// Runs of blanks between words.
    pub extra_spaces: bool,
    /// Words broken at the ends of lines.
    pub hyphenation: bool,
    /// Other words for the same labels.
    pub synonyms: bool,
    pub watermark: bool,
    /// Titles, labels and names in capitals.
    pub upper_case: bool,
    /// The letter `ё` printed as `е`.
    pub plain_yo: bool,
    /// Straight quotation marks and a hyphen for the dash: what old code pages can hold.
    pub plain_marks: bool,
}

impl Style {
    pub const PLAIN: Self = Self {
        layout: Layout {
            two_columns: false,
            merged_header: false,
            labels_above: false,
            grid: false,
        },
        noise: Noise {
            extra_spaces: false,
            hyphenation: false,
            synonyms: false,
            watermark: false,
            upper_case: false,
            plain_yo: false,
            plain_marks: false,
        },
        amounts: Notation::SPACED,
    };

    /// Any of the variants.
    pub fn random(random: &mut Random) -> Self {
        let amounts = [Notation::SPACED, Notation::THIN, Notation::NO_BREAK];
        Self {
            layout: Layout {
                two_columns: random.coin(),
                merged_header: random.coin(),
                labels_above: random.coin(),
                grid: random.coin(),
            },
            noise: Noise {
                extra_spaces: random.coin(),
                hyphenation: random.coin(),
                synonyms: random.coin(),
                watermark: random.coin(),
                upper_case: random.coin(),
                plain_yo: random.coin(),
                plain_marks: false,
            },
            amounts: random.pick(&amounts),
        }
    }

    /// The first of two labels, or the second where synonyms are wanted.
    pub fn label<'a>(&self, usual: &'a str, other: &'a str) -> &'a str {
        if self.noise.synonyms { other } else { usual }
    }

    /// In capitals where that is wanted.
    pub fn case(&self, text: &str) -> String {
        if self.noise.upper_case {
            text.to_uppercase()
        } else {
            text.to_owned()
        }
    }

    /// A piece of text as this style prints it; a quote in the truth goes the same way as the document's text.
    pub fn print(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.noise.plain_yo {
            text = text.replace('ё', "е").replace('Ё', "Е");
        }
        if self.noise.plain_marks {
            text = text
                .replace(['«', '»'], "\"")
                .replace(['—', '–'], "-")
                .replace('№', "N");
        }
        text
    }

    pub fn print_all(&self, document: &mut Document) {
        document.map_text(&mut |text| *text = self.print(text));
    }
}
