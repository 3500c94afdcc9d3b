//! Reads of a module what has to be known before counters can be written into it.
//!
//! Does not change anything.

use wasmparser::{BinaryReaderError, KnownCustom, Name, Parser, Payload, TypeRef};

/// A module's functions and globals.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// The name of every function, imported ones first; empty where it has none.
    pub(crate) names: Vec<String>,
    /// How many of the functions are imported.
    pub(crate) imported: u32,
    /// How many parameters each of the other functions has.
    pub(crate) parameters: Vec<u32>,
    /// How many globals there are, imported ones too.
    pub(crate) globals: u32,
}

impl Outline {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// The bytes are no module.
    pub(crate) fn read(module: &[u8]) -> Result<Self, BinaryReaderError> {
        let (mut outline, mut types) = (Self::default(), Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for kind in section.into_iter_err_on_gc_types() {
                        types.push(u32::try_from(kind?.params().len()).unwrap_or(u32::MAX));
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(_) => {
                                outline.imported += 1;
                                outline.names.push(import.name.to_owned());
                            }
                            TypeRef::Global(_) => outline.globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for kind in functions {
                        outline.parameters.push(types.get(kind? as usize).copied().unwrap_or(0));
                        outline.names.push(String::new());
                    }
                }
                Payload::GlobalSection(section) => outline.globals += section.count(),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(sections) = section.as_known() {
                        for section in sections {
                            if let Name::Function(map) = section? {
                                outline.name(map)?;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    fn name(&mut self, map: wasmparser::NameMap<'_>) -> Result<(), BinaryReaderError> {
        for naming in map {
            let naming = naming?;
            if let Some(name) = self.names.get_mut(naming.index as usize) {
                *name = format!("{:#}", rustc_demangle::demangle(naming.name));
            }
        }
        Ok(())
    }
}
