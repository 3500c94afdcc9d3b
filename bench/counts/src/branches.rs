//! Decides which branches the engine is told about, and how: those that went one way nearly each time the scenarios came
//! to them.
//!
//! An engine lays a function out as it was written: what is seldom run stands between what always is, and takes room in
//! the processor's first cache. A module may say of each `br_if` and `if` whether it is likely
//! (<https://github.com/WebAssembly/branch-hinting>), and V8 moves what is unlikely out of the way. So counters are written
//! into a copy of the module, the scenarios are played, and what they found is written into the module. Both are the same
//! on every machine. Hints change nothing but the layout.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{BranchHint, BranchHints, CodeSection, ConstExpr, ExportKind, ExportSection};
use wasm_encoder::{Function, GlobalSection, GlobalType, Instruction, Module, Section, ValType};
use wasmparser::{
    BinaryReaderError, ExportSectionReader, FunctionBody, GlobalSectionReader, Operator, Parser, Payload,
};

use crate::instrument::Fault;
use crate::outline::Outline;

/// How seldom a branch goes the other way that is called likely or unlikely: once in so many times.
const SELDOM: u64 = 10;

/// A branch: its function, and where in the function's body it stands, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Branch {
    function: u32,
    offset: u32,
}

/// How often a branch was come to, and how often it was taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) seen: u64,
    pub(crate) taken: u64,
}

impl Taken {
    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.taken += other.taken;
    }
}

/// The exported globals that count one branch.
pub(crate) fn counters(branch: usize) -> [String; 2] {
    ["seen", "taken"].map(|what| format!("counts.branch.{what}.{branch}"))
}

/// Writes counters of branches into `module`.
///
/// # Errors
///
/// The bytes are no module.
pub(crate) fn count(module: &[u8]) -> Result<Vec<u8>, Fault> {
    let outline = Outline::read(module)?;
    let branches = u32::try_from(branches(module, outline.imported)?.len()).unwrap_or(u32::MAX);
    let mut writer = Writer {
        parameters: outline.parameters,
        globals: outline.globals,
        branches,
        next_function: 0,
        next_branch: 0,
    };
    let mut counting = Module::new();
    writer.parse_core_module(&mut counting, Parser::new(0), module).map_err(Fault::Rewriting)?;
    Ok(counting.finish())
}

/// The module with hints of its branches, of which it is known how often each was taken, and how many hints there are.
///
/// # Errors
///
/// The bytes are no module.
pub(crate) fn hint(module: &[u8], taken: &[Taken]) -> Result<(Vec<u8>, usize), Fault> {
    let outline = Outline::read(module)?;
    let (mut hints, mut count, mut of_function) = (BranchHints::new(), 0, Vec::new());
    let mut branches = branches(module, outline.imported)?.into_iter().zip(taken).peekable();
    while let Some((branch, taken)) = branches.next() {
        if let Some(branch_hint_value) = likely(*taken) {
            of_function.push(BranchHint { branch_func_offset: branch.offset, branch_hint_value });
        }
        let is_last = branches.peek().is_none_or(|(next, _)| next.function != branch.function);
        if is_last && !of_function.is_empty() {
            count += of_function.len();
            hints.function_hints(branch.function, std::mem::take(&mut of_function));
        }
    }
    let mut section = Vec::new();
    hints.append_to(&mut section);
    // They have to be known before the code is.
    let before = code_section(module)?;
    let (head, tail) = module.split_at_checked(before).unwrap_or((module, &[]));
    Ok(([head, &section, tail].concat(), count))
}

/// What is said of a branch: 1, it is likely; 0, it is not.
fn likely(Taken { seen, taken }: Taken) -> Option<u32> {
    match seen {
        0 => None,
        _ if taken * SELDOM <= seen => Some(0),
        _ if (seen - taken) * SELDOM <= seen => Some(1),
        _ => None,
    }
}

/// All branches, in the order in which they stand in the module.
fn branches(module: &[u8], imported: u32) -> Result<Vec<Branch>, BinaryReaderError> {
    let (mut all, mut function) = (Vec::new(), imported);
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CodeSectionEntry(body) = payload? else { continue };
        let start = body.range().start;
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, at) = operator?;
            if is_branch(&operator) {
                let offset = u32::try_from(at - start).unwrap_or(u32::MAX);
                all.push(Branch { function, offset });
            }
        }
        function += 1;
    }
    Ok(all)
}

fn is_branch(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::BrIf { .. } | Operator::If { .. })
}

/// Where the code section begins, with its number: where the one before it ends.
fn code_section(module: &[u8]) -> Result<usize, BinaryReaderError> {
    let mut end = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::Version { range, .. } => end = range.end,
            Payload::CodeSectionStart { .. } => break,
            other => end = other.as_section().map_or(end, |(_, range)| range.end),
        }
    }
    Ok(end)
}

/// Copies a module and adds two counters for each branch, as globals behind the module's own.
struct Writer {
    parameters: Vec<u32>,
    globals: u32,
    branches: u32,
    next_function: usize,
    next_branch: u32,
}

impl Writer {
    /// The counters of a branch.
    fn of(&self, branch: u32) -> (u32, u32) {
        let seen = self.globals + branch * 2;
        (seen, seen + 1)
    }
}

type Rewritten = Result<(), Error<Infallible>>;

impl Reencode for Writer {
    type Error = Infallible;

    fn parse_global_section(&mut self, into: &mut GlobalSection, from: GlobalSectionReader<'_>) -> Rewritten {
        utils::parse_global_section(self, into, from)?;
        for _ in 0..self.branches * 2 {
            let kind = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
            into.global(kind, &ConstExpr::i64_const(0));
        }
        Ok(())
    }

    fn parse_export_section(&mut self, into: &mut ExportSection, from: ExportSectionReader<'_>) -> Rewritten {
        utils::parse_export_section(self, into, from)?;
        for branch in 0..self.branches {
            let [seen, taken] = counters(branch as usize);
            into.export(&seen, ExportKind::Global, self.of(branch).0);
            into.export(&taken, ExportKind::Global, self.of(branch).1);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, into: &mut CodeSection, from: FunctionBody<'_>) -> Rewritten {
        let mut condition = self.parameters.get(self.next_function).copied().unwrap_or(0);
        let mut kinds = Vec::new();
        for local in from.get_locals_reader()? {
            let (count, kind) = local?;
            condition += count;
            kinds.push((count, self.val_type(kind)?));
        }
        kinds.push((1, ValType::I32));
        let mut function = Function::new(kinds);
        for operator in from.get_operators_reader()? {
            let operator = operator?;
            if is_branch(&operator) {
                let (seen, taken) = self.of(self.next_branch);
                function
                    .instruction(&Instruction::LocalTee(condition))
                    .instruction(&Instruction::GlobalGet(seen))
                    .instruction(&Instruction::I64Const(1))
                    .instruction(&Instruction::I64Add)
                    .instruction(&Instruction::GlobalSet(seen))
                    .instruction(&Instruction::GlobalGet(taken))
                    .instruction(&Instruction::LocalGet(condition))
                    .instruction(&Instruction::I32Const(0))
                    .instruction(&Instruction::I32Ne)
                    .instruction(&Instruction::I64ExtendI32U)
                    .instruction(&Instruction::I64Add)
                    .instruction(&Instruction::GlobalSet(taken));
                self.next_branch += 1;
            }
            function.instruction(&self.instruction(operator)?);
        }
        into.function(&function);
        self.next_function += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
