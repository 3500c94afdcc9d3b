//! Decides in which order the filter's functions stand: those first that most kinds of requests come through.
//!
//! An engine compiles functions as they stand, and calls them by a table with a place for each. The scenarios come through
//! 460 of 2,600 functions: where these stand together, so does what a processor has to hold of the code and of the table.
//! Which they are is counted, so the order is the same on every machine. It changes nothing but the layout.

use std::cmp::Reverse;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, FunctionSection, Module, NameMap, NameSection};
use wasmparser::{BinaryReaderError, CodeSectionReader, FunctionSectionReader, Name, Parser};

use crate::instrument::Fault;

/// An order of a module's functions.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// How many functions are imported: these stay where they are.
    imported: u32,
    /// What was the number of each of the others, in their new order, less the imported ones.
    before: Vec<usize>,
    /// And the other way round.
    now: Vec<u32>,
}

impl Order {
    /// The order of a module with `imported` functions that come from elsewhere, of which it is known how many scenarios
    /// came through each of the others. The first is what most came through; others stay in the order they had.
    pub(crate) fn of(imported: u32, scenarios: &[u64]) -> Self {
        let mut before: Vec<usize> = (0..scenarios.len()).collect();
        before.sort_by_key(|function| Reverse(scenarios.get(*function)));
        let mut now = vec![0; before.len()];
        for (place, function) in (0..).zip(&before) {
            if let Some(entry) = now.get_mut(*function) {
                *entry = place;
            }
        }
        Self { imported, before, now }
    }

    /// The module with its functions in this order.
    ///
    /// # Errors
    ///
    /// The bytes are no module, or not the one that was counted.
    pub(crate) fn write(&self, module: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut ordered = Module::new();
        Writer(self).parse_core_module(&mut ordered, Parser::new(0), module).map_err(Fault::Rewriting)?;
        Ok(ordered.finish())
    }

    /// What belongs to the functions that are not imported, in this order.
    pub(crate) fn arrange<T: Clone>(&self, of_functions: &[T]) -> Vec<T> {
        self.before.iter().filter_map(|function| of_functions.get(*function).cloned()).collect()
    }
}

struct Writer<'o>(&'o Order);

type Rewritten = Result<(), Error<Infallible>>;

impl Reencode for Writer<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> u32 {
        let Order { imported, now, .. } = self.0;
        let own = function.checked_sub(*imported).and_then(|own| now.get(own as usize));
        own.map_or(function, |place| imported + place)
    }

    fn parse_function_section(
        &mut self,
        into: &mut FunctionSection,
        from: FunctionSectionReader<'_>,
    ) -> Rewritten {
        for kind in self.0.arrange(&from.into_iter().collect::<Result<Vec<_>, _>>()?) {
            into.function(self.type_index(kind));
        }
        Ok(())
    }

    fn parse_code_section(&mut self, into: &mut CodeSection, from: CodeSectionReader<'_>) -> Rewritten {
        for body in self.0.arrange(&from.into_iter().collect::<Result<Vec<_>, _>>()?) {
            self.parse_function_body(into, body)?;
        }
        Ok(())
    }

    fn parse_custom_name_subsection(&mut self, into: &mut NameSection, from: Name<'_>) -> Rewritten {
        let Name::Function(names) = from else {
            return utils::parse_custom_name_subsection(self, into, from);
        };
        let mut names = names.into_iter().collect::<Result<Vec<_>, BinaryReaderError>>()?;
        for naming in &mut names {
            naming.index = self.function_index(naming.index);
        }
        names.sort_by_key(|naming| naming.index);
        let mut map = NameMap::new();
        names.iter().for_each(|naming| map.append(naming.index, naming.name));
        into.functions(&map);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
