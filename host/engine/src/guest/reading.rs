//! `documents.reading`: what a guest may ask of a reading.

use std::sync::Arc;

use docmill_model::reading::{Page, Reading, TextRange};
use docmill_model::search::TextUnit;
use wasmtime::component::Resource;

use super::documents::wrong;
use super::{Guest, ReadingHandle};
use crate::bindings::documents;
use crate::bindings::types::{
    self, Attachment, Block, BlockKind, Error, Fragment, Image, PageInfo, Rect, Span,
};
use crate::convert;
use crate::threads::thread_cpu;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// The most hits that one search gives.
const MOST_HITS: usize = 10_000;

/// A page whose text is longer is searched off the guest's thread.
const SEARCH_HERE: usize = 128 << 10;

fn page(reading: &Reading, number: u32) -> Result<&Page, Error> {
    reading.page(number).ok_or_else(|| {
        let pages = reading.pages.len();
        wrong(
            "no-such-page",
            format!("there is no page {number}; the reading has {pages}, counted from 0"),
        )
    })
}

/// The page and the span's range on it, if the range is on character boundaries inside the text.
fn located(reading: &Reading, at: Span) -> Result<(&Page, TextRange), Error> {
    let page = page(reading, at.page)?;
    let range = TextRange::from(at.range);
    match range.of(&page.text) {
        Some(_) => Ok((page, range)),
        None => Err(wrong(
            "bad-range",
            format!(
                "{}..{} is not a range of page {}'s text: it is {} bytes long, and both ends lie on character boundaries",
                range.start,
                range.end,
                at.page,
                page.text.len()
            ),
        )),
    }
}

impl Guest {
    fn reading(&self, reading: &Resource<ReadingHandle>) -> wasmtime::Result<Arc<Reading>> {
        Ok(Arc::clone(self.table.get(reading)?))
    }

    /// Answers a question about a reading, and charges what the answer weighs.
    fn answer<T>(
        &mut self,
        reading: &Resource<ReadingHandle>,
        ask: impl FnOnce(&Reading) -> Result<T, Error>,
        weigh: impl FnOnce(&T) -> usize,
    ) -> Answer<T> {
        let answer = ask(&*self.reading(reading)?);
        self.meter.charge(match &answer {
            Ok(answer) => weigh(answer),
            Err(error) => error.message.len(),
        })?;
        Ok(answer)
    }
}

impl documents::HostReading for Guest {
    fn id(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<String> {
        let id = self.reading(&reading)?.key.clone();
        self.meter.charge(id.len())?;
        Ok(id)
    }

    fn source_media_type(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<String> {
        let media_type = self.reading(&reading)?.source_media_type.clone();
        self.meter.charge(media_type.len())?;
        Ok(media_type)
    }

    fn language(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<Option<String>> {
        let language = self.reading(&reading)?.language.clone();
        self.meter.charge(language.as_ref().map_or(0, String::len))?;
        Ok(language)
    }

    fn metadata(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<Vec<(String, String)>> {
        let metadata = self.reading(&reading)?.metadata.clone();
        self.meter
            .charge(metadata.iter().map(|(n, v)| n.len() + v.len()).sum())?;
        Ok(metadata)
    }

    fn page_count(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<u32> {
        self.meter.charge(4)?;
        Ok(u32::try_from(self.reading(&reading)?.pages.len()).unwrap_or(u32::MAX))
    }

    fn page(&mut self, reading: Resource<ReadingHandle>, number: u32) -> Answer<PageInfo> {
        self.answer(
            &reading,
            |r| page(r, number).map(|p| (&p.info).into()),
            |info: &PageInfo| {
                let said = info.label.iter().chain(&info.warnings);
                16 + said.map(String::len).sum::<usize>()
            },
        )
    }

    fn text(&mut self, reading: Resource<ReadingHandle>, number: u32) -> Answer<String> {
        self.answer(&reading, |r| page(r, number).map(|p| p.text.clone()), String::len)
    }

    fn blocks(&mut self, reading: Resource<ReadingHandle>, number: u32) -> Answer<Vec<Block>> {
        self.answer(
            &reading,
            |r| page(r, number).map(|p| p.blocks.iter().map(|b| convert::block(b, p)).collect()),
            |blocks: &Vec<Block>| {
                let cells = |b: &Block| {
                    b.table
                        .iter()
                        .flat_map(|t| &t.cells)
                        .map(|c| 64 + c.text.len())
                        .sum::<usize>()
                };
                let named = |b: &Block| match &b.kind {
                    BlockKind::Other(name) => name.len(),
                    _ => 0,
                };
                let weigh = |b: &Block| 64 + named(b) + b.text.len() + cells(b);
                blocks.iter().map(weigh).sum()
            },
        )
    }

    fn fragments(&mut self, reading: Resource<ReadingHandle>, at: Span) -> Answer<Vec<Fragment>> {
        self.answer(
            &reading,
            |r| {
                let (page, range) = located(r, at)?;
                Ok(page
                    .fragments(range)
                    .map(|f| Fragment {
                        text: f.range.of(&page.text).unwrap_or_default().to_owned(),
                        region: f.region.into(),
                        confidence: f.confidence,
                    })
                    .collect())
            },
            |fragments: &Vec<Fragment>| fragments.iter().map(|f| 32 + f.text.len()).sum(),
        )
    }

    fn image(&mut self, reading: Resource<ReadingHandle>, number: u32) -> Answer<Image> {
        self.answer(
            &reading,
            |r| match r.images.get(number as usize) {
                Some(image) => Ok(Image {
                    media_type: image.media_type.clone(),
                    data: image.data.clone(),
                    resolution: image.resolution,
                }),
                None => Err(wrong(
                    "no-such-image",
                    format!(
                        "there is no image {number}; the reading has {}, counted from 0",
                        r.images.len()
                    ),
                )),
            },
            |image: &Image| image.data.len(),
        )
    }

    fn slice(&mut self, reading: Resource<ReadingHandle>, at: Span) -> Answer<String> {
        self.answer(
            &reading,
            |r| located(r, at).map(|(page, range)| range.of(&page.text).unwrap_or_default().to_owned()),
            String::len,
        )
    }

    async fn find(
        &mut self,
        reading: Resource<ReadingHandle>,
        number: u32,
        needle: String,
        start: u32,
        limit: u32,
    ) -> Answer<Vec<Span>> {
        self.meter.charge(needle.len())?;
        let reading = self.reading(&reading)?;
        let length = match page(&reading, number) {
            Ok(page) => page.text.len(),
            Err(error) => return Ok(Err(error)),
        };
        let limit = (limit as usize).min(MOST_HITS);
        let search = move || match page(&reading, number) {
            Ok(page) => page.find(&needle, start, limit),
            Err(_) => Vec::new(),
        };
        let hits = match self.meter.control.runtime() {
            Some(runtime) if length > SEARCH_HERE => {
                // What is counted is the thread on which the guest is polled; this one is another.
                let timed = move || {
                    let before = thread_cpu();
                    let hits = search();
                    (hits, thread_cpu().saturating_sub(before))
                };
                let (hits, cpu) = runtime
                    .spawn_blocking(timed)
                    .await
                    .map_err(|_| wasmtime::Error::msg("the search did not end"))?;
                self.meter.control.add_cpu(cpu);
                hits
            }
            _ => search(),
        };
        self.meter.charge(12 * hits.len())?;
        let spans = hits.into_iter().map(|range| Span {
            page: number,
            range: range.into(),
        });
        Ok(Ok(spans.collect()))
    }

    fn span(
        &mut self,
        reading: Resource<ReadingHandle>,
        number: u32,
        start: u32,
        end: u32,
        unit: types::TextUnit,
    ) -> Answer<Span> {
        self.answer(
            &reading,
            |r| {
                let range = page(r, number)?
                    .range(start, end, TextUnit::from(unit))
                    .map_err(|error| wrong("bad-range", error.to_string()))?;
                Ok(Span {
                    page: number,
                    range: range.into(),
                })
            },
            |_| 12,
        )
    }

    fn regions(&mut self, reading: Resource<ReadingHandle>, at: Span) -> Answer<Vec<Rect>> {
        self.answer(
            &reading,
            |r| {
                let (page, range) = located(r, at)?;
                Ok(page.regions(range).into_iter().map(Into::into).collect())
            },
            |regions: &Vec<Rect>| 16 * regions.len(),
        )
    }

    fn attachments(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<Vec<Attachment>> {
        let attachments: Vec<Attachment> = self
            .reading(&reading)?
            .attachments
            .iter()
            .map(|a| Attachment {
                name: a.name.clone(),
                media_type: a.media_type.clone(),
            })
            .collect();
        self.meter.charge(
            attachments
                .iter()
                .map(|a| a.name.len() + a.media_type.len())
                .sum(),
        )?;
        Ok(attachments)
    }

    fn drop(&mut self, reading: Resource<ReadingHandle>) -> wasmtime::Result<()> {
        self.table.delete(reading)?;
        Ok(())
    }
}
