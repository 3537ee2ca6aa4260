//! The manifest's decoder in the place of the network: what a replay and a rebuild type again comes through here.
//!
//! `lake` knows no connectors, so it asks for decoders by a trait, and only here both meet.

use std::collections::BTreeMap;

use headwater_connectors::{Replayer, Source};
use headwater_contract::{Chunk, Exchange, ReadSummary, Records, SourceName, StreamContract};
use headwater_lake::attempt::{BodyDecoder, DecodeError, Decoders};

use crate::run::source::{OpenSource, unknown};

/// Decoders of the sources that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceDecoders(BTreeMap<SourceName, Source>);

impl SourceDecoders {
    /// Decoders of these sources.
    pub(crate) fn of<'a>(sources: impl IntoIterator<Item = &'a OpenSource>) -> Self {
        Self(sources.into_iter().map(|open| (open.name.clone(), open.source.clone())).collect())
    }
}

impl Decoders for SourceDecoders {
    fn begin(&self, contract: &StreamContract) -> Result<Box<dyn BodyDecoder>, DecodeError> {
        let name = contract.name.source();
        let source =
            self.0.get(name).ok_or_else(|| -> DecodeError { Box::new(unknown("source", name, self.0.keys())) })?;
        let replayer = source.replay(contract.name.stream()).map_err(|error| -> DecodeError { Box::new(error) })?;
        Ok(Box::new(StoredBodies(replayer)))
    }
}

/// A manifest's decoder as `lake` asks for it.
struct StoredBodies(Replayer);

impl BodyDecoder for StoredBodies {
    fn exchange(&mut self, exchange: &Exchange) -> Result<Vec<Records>, DecodeError> {
        self.0.exchange(exchange).map_err(|error| Box::new(error) as DecodeError)
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<Vec<Records>, DecodeError> {
        self.0.chunk(chunk).map_err(|error| Box::new(error) as DecodeError)
    }

    fn finish(self: Box<Self>) -> Result<(Vec<Records>, ReadSummary), DecodeError> {
        self.0.finish().map_err(|error| Box::new(error) as DecodeError)
    }
}
