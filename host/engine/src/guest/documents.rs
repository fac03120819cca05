//! `documents`: sources, readings in the making, inputs; and `progress`. Everything that crosses is charged.

use std::sync::Arc;

use docmill_model::assemble::{AddError, ReadingBuilder};
use docmill_model::failure::Code;
use docmill_model::reading as model;
use wasmtime::component::Resource;

use super::{BuilderHandle, Guest, InputsHandle, ReadingHandle, SourceHandle};
use crate::bindings::types::{Attachment, Block, BlockKind, Check, Error, ErrorKind, Field, Image, PageInfo};
use crate::bindings::{documents, progress, types};
use crate::convert;

/// The code of the error that a guest gets when host memory is at its limit.
const HOST_MEMORY: &str = "host-memory-limit";
/// The code of the error that a guest gets when it breaks a rule of the contract.
const RULE: &str = "invalid-output";

/// An error for the guest: it asked for something that is not there.
pub(super) fn wrong(code: &str, message: impl Into<String>) -> Error {
    Error {
        kind: ErrorKind::Failed,
        code: code.to_owned(),
        message: message.into(),
        retry_after_ms: None,
    }
}

impl types::Host for Guest {}
impl documents::Host for Guest {}

impl documents::HostSource for Guest {
    fn media_type(&mut self, source: Resource<SourceHandle>) -> wasmtime::Result<String> {
        let media_type = self.table.get(&source)?.media_type.clone();
        self.meter.charge(media_type.len())?;
        Ok(media_type)
    }

    fn name(&mut self, source: Resource<SourceHandle>) -> wasmtime::Result<Option<String>> {
        let name = self.table.get(&source)?.name.clone();
        self.meter.charge(name.as_ref().map_or(0, String::len))?;
        Ok(name)
    }

    fn size(&mut self, source: Resource<SourceHandle>) -> wasmtime::Result<u32> {
        self.meter.charge(4)?;
        Ok(u32::try_from(self.table.get(&source)?.bytes.len()).unwrap_or(u32::MAX))
    }

    fn digest(&mut self, source: Resource<SourceHandle>) -> wasmtime::Result<String> {
        self.meter.charge(64)?;
        Ok(self.table.get(&source)?.digest.to_string())
    }

    fn read(
        &mut self,
        source: Resource<SourceHandle>,
        offset: u32,
        length: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let bytes = &self.table.get(&source)?.bytes;
        let start = (offset as usize).min(bytes.len());
        let end = start.saturating_add(length as usize).min(bytes.len());
        self.meter.charge(end - start)?;
        Ok(Ok(bytes.get(start..end).unwrap_or_default().to_vec()))
    }

    fn drop(&mut self, source: Resource<SourceHandle>) -> wasmtime::Result<()> {
        self.table.delete(source)?;
        Ok(())
    }
}

/// Text bytes of a page that came in.
fn written(info: &PageInfo, blocks: &[Block]) -> usize {
    let head =
        info.label.as_ref().map_or(0, String::len) + info.warnings.iter().map(String::len).sum::<usize>();
    blocks.iter().fold(head, |sum, block| {
        let named = match &block.kind {
            BlockKind::Other(name) => name.len(),
            _ => 0,
        };
        sum + size_of::<Block>()
            + named
            + block.text.len()
            + block.fragments.iter().map(|f| f.text.len() + 24).sum::<usize>()
            + block
                .table
                .iter()
                .flat_map(|t| &t.cells)
                .map(|c| c.text.len() + 40)
                .sum::<usize>()
    })
}

impl Guest {
    /// Adds something to a reading in the making, and counts what it holds against the host memory of all of them.
    fn add<T>(
        &mut self,
        builder: &Resource<BuilderHandle>,
        bytes: usize,
        add: impl FnOnce(&mut ReadingBuilder) -> Result<T, AddError>,
    ) -> wasmtime::Result<Result<T, Error>> {
        self.meter.charge(bytes)?;
        let builder = self.table.get_mut(builder)?;
        let before = builder.used();
        let added = add(builder);
        let fits = self.meter.hold(builder.used().saturating_sub(before));
        let most = self.meter.limits.host_memory;
        match added {
            Ok(added) if fits => Ok(Ok(added)),
            Ok(_) | Err(AddError::Exhausted { .. }) => {
                let message =
                    format!("the reading is larger than the {most} of host memory that the step may hold");
                self.meter.refuse(Code::HostMemoryLimit, message.clone());
                Ok(Err(Error {
                    kind: ErrorKind::Exhausted,
                    ..wrong(HOST_MEMORY, message)
                }))
            }
            Err(AddError::Broken(broken)) => {
                self.meter.refuse(Code::InvalidOutput, broken.to_string());
                Ok(Err(wrong(RULE, broken.to_string())))
            }
        }
    }
}

/// Whether an error that a guest returned is one that the host gave it.
pub(crate) fn is_refusal(error: &Error) -> bool {
    [HOST_MEMORY, RULE, super::llm::NOBODY_READS].contains(&error.code.as_str())
}

impl documents::HostReadingBuilder for Guest {
    fn new(&mut self) -> wasmtime::Result<Resource<BuilderHandle>> {
        self.meter.charge(0)?;
        let budget = self.meter.limits.host_memory.bytes();
        Ok(self.table.push(ReadingBuilder::new(budget))?)
    }

    fn set_language(
        &mut self,
        builder: Resource<BuilderHandle>,
        language: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.add(&builder, language.len(), |b| b.set_language(&language))
    }

    fn add_metadata(
        &mut self,
        builder: Resource<BuilderHandle>,
        name: String,
        value: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.add(&builder, name.len() + value.len(), |b| {
            b.add_metadata(&name, &value)
        })
    }

    fn add_image(
        &mut self,
        builder: Resource<BuilderHandle>,
        image: Image,
    ) -> wasmtime::Result<Result<u32, Error>> {
        self.add(&builder, image.media_type.len() + image.data.len(), |b| {
            b.add_image(model::Image {
                media_type: image.media_type,
                data: image.data,
                resolution: image.resolution,
            })
        })
    }

    fn add_page(
        &mut self,
        builder: Resource<BuilderHandle>,
        info: PageInfo,
        blocks: Vec<Block>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        self.add(&builder, written(&info, &blocks), |b| {
            b.add_page(info.into(), blocks.into_iter().map(convert::new_block).collect())
        })
    }

    fn add_attachment(
        &mut self,
        builder: Resource<BuilderHandle>,
        about: Attachment,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let bytes = about.name.len() + about.media_type.len() + content.len();
        self.add(&builder, bytes, |b| {
            b.add_attachment(model::Attachment {
                name: about.name,
                media_type: about.media_type,
                content,
            })
        })
    }

    fn drop(&mut self, builder: Resource<BuilderHandle>) -> wasmtime::Result<()> {
        let builder = self.table.delete(builder)?;
        self.meter.release(builder.used());
        Ok(())
    }
}

impl Guest {
    /// Texts for the guest, charged before they are made into a list.
    fn texts_of<T>(&mut self, items: &[T], text: impl Fn(&T) -> String) -> wasmtime::Result<Vec<String>> {
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            let text = text(item);
            self.meter.charge(text.len())?;
            texts.push(text);
        }
        Ok(texts)
    }
}

impl documents::HostInputs for Guest {
    fn params(&mut self, inputs: Resource<InputsHandle>) -> wasmtime::Result<String> {
        let params = self.table.get(&inputs)?.params.to_string();
        self.meter.charge(params.len())?;
        Ok(params)
    }

    fn main(&mut self, inputs: Resource<InputsHandle>) -> wasmtime::Result<Option<Resource<ReadingHandle>>> {
        self.meter.charge(4)?;
        let main = self.table.get(&inputs)?.main.clone();
        Ok(main.map(|reading| self.table.push(reading)).transpose()?)
    }

    fn readings(
        &mut self,
        inputs: Resource<InputsHandle>,
        role: String,
    ) -> wasmtime::Result<Vec<Resource<ReadingHandle>>> {
        let readings = self
            .table
            .get(&inputs)?
            .readings
            .get(&role)
            .cloned()
            .unwrap_or_default();
        self.meter.charge(role.len() + 4 * readings.len())?;
        readings
            .into_iter()
            .map(|reading| Ok(self.table.push(reading)?))
            .collect()
    }

    fn texts(&mut self, inputs: Resource<InputsHandle>, role: String) -> wasmtime::Result<Vec<String>> {
        let inputs = Arc::clone(self.table.get(&inputs)?);
        self.meter.charge(role.len())?;
        let texts = inputs.texts.get(&role).map(Vec::as_slice).unwrap_or_default();
        self.texts_of(texts, |text| (**text).to_owned())
    }

    fn records(&mut self, inputs: Resource<InputsHandle>, role: String) -> wasmtime::Result<Vec<String>> {
        let inputs = Arc::clone(self.table.get(&inputs)?);
        self.meter.charge(role.len())?;
        let records = inputs.records.get(&role).map(Vec::as_slice).unwrap_or_default();
        self.texts_of(records, |record| record.to_string())
    }

    fn fields(&mut self, inputs: Resource<InputsHandle>) -> wasmtime::Result<Vec<Field>> {
        let inputs = Arc::clone(self.table.get(&inputs)?);
        let fields: Vec<Field> = inputs.fields.iter().map(convert::field_to).collect();
        self.meter
            .charge(fields.iter().map(crate::output::field_bytes).sum())?;
        Ok(fields)
    }

    fn checks(&mut self, inputs: Resource<InputsHandle>) -> wasmtime::Result<Vec<Check>> {
        let inputs = Arc::clone(self.table.get(&inputs)?);
        let checks: Vec<Check> = inputs.checks.iter().map(convert::check_to).collect();
        self.meter
            .charge(checks.iter().map(crate::output::check_bytes).sum())?;
        Ok(checks)
    }

    fn drop(&mut self, inputs: Resource<InputsHandle>) -> wasmtime::Result<()> {
        self.table.delete(inputs)?;
        Ok(())
    }
}

impl progress::Host for Guest {
    fn report(&mut self, done: u32, total: Option<u32>, note: String) -> wasmtime::Result<()> {
        self.meter.charge(8 + note.len())?;
        tracing::trace!(done, total, "progress of a plugin");
        Ok(())
    }
}
