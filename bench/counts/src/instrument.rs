//! Decides what an executed instruction is, and writes the counters into the module that count them.
//!
//! An interpreter's own metering will not do: it charges for a whole region of code when the region is entered, so a
//! `match` costs all of its arms. Here every stretch of code without a jump adds its length to a global when it is
//! entered, which is exact and the same in every engine. What is counted is what the compiler wrote: WebAssembly
//! operators, except those that only mark where a jump may go (`block`, `loop`, `else`, `end`) and `nop`. Copying and
//! filling of memory are one instruction each, whatever their size, so their bytes are counted apart.
//!
//! Does not run anything.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ConstExpr, ExportKind, ExportSection, Function, GlobalSection, GlobalType};
use wasm_encoder::{Instruction, Module, ValType};
use wasmparser::{
    BinaryReaderError, ExportSectionReader, FunctionBody, GlobalSectionReader, Operator, Parser,
};

use crate::outline::Outline;

/// How the name ends of the function by which the module gets new blocks from its allocator
/// (`filter/memory/src/size_classes.rs`). It is never inlined.
const ALLOCATOR: &str = "GlobalAlloc>::alloc";

/// Exported globals that count for the whole module.
pub(crate) const INSTRUCTIONS: &str = "counts.instructions";
pub(crate) const MOVED: &str = "counts.moved";
pub(crate) const ALLOCATIONS: &str = "counts.allocations";

/// Exported globals that count for one function.
pub(crate) fn own(function: u32) -> String {
    format!("counts.own.{function}")
}

/// The same with everything that it calls.
pub(crate) fn total(function: u32) -> String {
    format!("counts.total.{function}")
}

/// How often the function was entered.
pub(crate) fn entered(function: u32) -> String {
    format!("counts.entered.{function}")
}

/// A module that counts.
#[derive(Debug)]
pub(crate) struct Instrumented {
    pub(crate) module: Vec<u8>,
    /// The name of every function, imported ones first; empty where it has none.
    pub(crate) names: Vec<String>,
}

/// Writes counters into `module`, for each function as well if `by_function`.
///
/// # Errors
///
/// The bytes are no module, or its allocator is not known by name.
pub(crate) fn instrument(module: &[u8], by_function: bool) -> Result<Instrumented, Fault> {
    let Outline { names, imported, parameters, globals } = Outline::read(module)?;
    let named = |name: &String| name.ends_with(ALLOCATOR);
    let allocators: Vec<u32> = (0..).zip(&names).filter(|(_, name)| named(name)).map(|(at, _)| at).collect();
    if allocators.is_empty() {
        return Err(Fault::NoAllocator);
    }
    let functions = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut writer =
        Writer { imported, parameters, functions, globals, by_function, allocators, next: imported };
    let mut counting = Module::new();
    writer.parse_core_module(&mut counting, Parser::new(0), module).map_err(Fault::Rewriting)?;
    Ok(Instrumented { module: counting.finish(), names })
}

/// Why there is no module that counts.
#[derive(Debug)]
pub(crate) enum Fault {
    Reading(BinaryReaderError),
    Rewriting(Error<Infallible>),
    /// No function is named as an allocator is.
    NoAllocator,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reading(error) => write!(f, "the module cannot be read: {error}"),
            Self::Rewriting(error) => write!(f, "counters cannot be written into the module: {error}"),
            Self::NoAllocator => {
                write!(f, "no function is named …{ALLOCATOR}, so allocations cannot be counted")
            }
        }
    }
}

impl From<BinaryReaderError> for Fault {
    fn from(error: BinaryReaderError) -> Self {
        Self::Reading(error)
    }
}

/// Copies a module and adds counters.
///
/// The globals that are added stand behind the module's own: three for the module, and then, if functions are
/// counted, three for each.
struct Writer {
    imported: u32,
    parameters: Vec<u32>,
    functions: u32,
    globals: u32,
    by_function: bool,
    allocators: Vec<u32>,
    /// The function of which the body comes next.
    next: u32,
}

impl Writer {
    fn instructions(&self) -> u32 {
        self.globals
    }

    fn moved(&self) -> u32 {
        self.globals + 1
    }

    fn allocations(&self) -> u32 {
        self.globals + 2
    }

    fn own(&self, function: u32) -> u32 {
        self.globals + 3 + function * 3
    }

    fn total(&self, function: u32) -> u32 {
        self.own(function) + 1
    }

    fn entered(&self, function: u32) -> u32 {
        self.own(function) + 2
    }

    fn added(&self) -> u32 {
        if self.by_function { 3 + self.functions * 3 } else { 3 }
    }

    /// Writes a function's body with counters in it.
    fn body(&mut self, into: &mut Function, locals: Locals, body: &[(Operator<'_>, i64)]) -> Rewritten {
        let number = self.next;
        if self.allocators.contains(&number) {
            add(into, self.allocations(), 1);
        }
        if self.by_function {
            add(into, self.entered(number), 1);
        }
        for (operator, stretch) in body {
            if *stretch > 0 {
                add(into, self.instructions(), *stretch);
                if self.by_function {
                    add(into, self.own(number), *stretch);
                }
            }
            let copy = self.instruction(operator.clone())?;
            match operator {
                Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
                    // The size is what was pushed last.
                    into.instruction(&Instruction::LocalTee(locals.size))
                        .instruction(&Instruction::GlobalGet(self.moved()))
                        .instruction(&Instruction::LocalGet(locals.size))
                        .instruction(&Instruction::I64ExtendI32U)
                        .instruction(&Instruction::I64Add)
                        .instruction(&Instruction::GlobalSet(self.moved()))
                        .instruction(&copy);
                }
                Operator::Call { function_index } if self.by_function => {
                    let total = self.total(*function_index);
                    into.instruction(&Instruction::GlobalGet(self.instructions()))
                        .instruction(&Instruction::LocalSet(locals.since))
                        .instruction(&copy)
                        .instruction(&Instruction::GlobalGet(total))
                        .instruction(&Instruction::GlobalGet(self.instructions()))
                        .instruction(&Instruction::I64Add)
                        .instruction(&Instruction::LocalGet(locals.since))
                        .instruction(&Instruction::I64Sub)
                        .instruction(&Instruction::GlobalSet(total));
                }
                _ => {
                    into.instruction(&copy);
                }
            }
        }
        Ok(())
    }
}

/// Where the locals are that were added to a function.
#[derive(Clone, Copy, Debug)]
struct Locals {
    /// The size of what is being copied or filled.
    size: u32,
    /// What had been executed before a call.
    since: u32,
}

type Rewritten = Result<(), Error<Infallible>>;

impl Reencode for Writer {
    type Error = Infallible;

    fn parse_global_section(&mut self, into: &mut GlobalSection, from: GlobalSectionReader<'_>) -> Rewritten {
        utils::parse_global_section(self, into, from)?;
        for _ in 0..self.added() {
            let kind = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
            into.global(kind, &ConstExpr::i64_const(0));
        }
        Ok(())
    }

    fn parse_export_section(&mut self, into: &mut ExportSection, from: ExportSectionReader<'_>) -> Rewritten {
        utils::parse_export_section(self, into, from)?;
        into.export(INSTRUCTIONS, ExportKind::Global, self.instructions());
        into.export(MOVED, ExportKind::Global, self.moved());
        into.export(ALLOCATIONS, ExportKind::Global, self.allocations());
        for function in (0..self.functions).filter(|_| self.by_function) {
            into.export(&own(function), ExportKind::Global, self.own(function));
            into.export(&total(function), ExportKind::Global, self.total(function));
            into.export(&entered(function), ExportKind::Global, self.entered(function));
        }
        Ok(())
    }

    fn parse_function_body(&mut self, into: &mut CodeSection, from: FunctionBody<'_>) -> Rewritten {
        let defined = self.next.saturating_sub(self.imported) as usize;
        let (mut kinds, mut own) = (Vec::new(), self.parameters.get(defined).copied().unwrap_or(0));
        for local in from.get_locals_reader()? {
            let (count, kind) = local?;
            own += count;
            kinds.push((count, self.val_type(kind)?));
        }
        kinds.extend([(1, ValType::I32), (1, ValType::I64)]);
        let mut function = Function::new(kinds);
        let operators = from.get_operators_reader()?.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.body(&mut function, Locals { size: own, since: own + 1 }, &stretches(operators))?;
        into.function(&function);
        self.next += 1;
        Ok(())
    }
}

/// Adds to a counter. Leaves the stack as it was.
fn add(into: &mut Function, global: u32, by: i64) {
    into.instruction(&Instruction::GlobalGet(global))
        .instruction(&Instruction::I64Const(by))
        .instruction(&Instruction::I64Add)
        .instruction(&Instruction::GlobalSet(global));
}

/// Gives the first operator of every stretch without a jump the number of instructions in it, and all others zero.
fn stretches(operators: Vec<Operator<'_>>) -> Vec<(Operator<'_>, i64)> {
    let (mut counted, mut first) = (Vec::<(Operator<'_>, i64)>::with_capacity(operators.len()), 0);
    for operator in operators {
        let (runs, jumps) = (is_executed(&operator), is_jump(&operator));
        counted.push((operator, 0));
        if runs && let Some((_, stretch)) = counted.get_mut(first) {
            *stretch += 1;
        }
        if jumps {
            first = counted.len();
        }
    }
    counted
}

/// Whether a machine has anything to do for an operator.
fn is_executed(operator: &Operator<'_>) -> bool {
    !matches!(
        operator,
        Operator::Block { .. } | Operator::Loop { .. } | Operator::Else | Operator::End | Operator::Nop
    )
}

/// Whether what stands behind an operator may run without it, or it without what stands behind it.
fn is_jump(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
    )
}

#[cfg(test)]
mod tests;
