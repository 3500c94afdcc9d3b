//! The five functions of WASI that are imported: the environment, standard error, random numbers and the end.

use wasmi::{Caller, Error, Linker};

use crate::boundary::{Boundary, Inside};

/// WASI's statuses.
const SUCCESS: u32 = 0;

/// Gives a module what it may import of WASI.
///
/// # Errors
///
/// A function is defined twice.
pub(crate) fn define(linker: &mut Linker<Inside>) -> Result<(), Error> {
    linker
        .func_wrap("wasi_snapshot_preview1", "environ_sizes_get", sizes)?
        .func_wrap("wasi_snapshot_preview1", "environ_get", environment)?
        .func_wrap("wasi_snapshot_preview1", "fd_write", write)?
        .func_wrap("wasi_snapshot_preview1", "random_get", random)?
        .func_wrap("wasi_snapshot_preview1", "proc_exit", exit)?;
    Ok(())
}

fn sizes(host: Caller<'_, Inside>, count_at: u32, size_at: u32) -> Result<u32, Error> {
    let mut boundary = Boundary::cross(host, "environ_sizes_get")?;
    let variables = boundary.host(|host| host.environment.clone());
    let size: usize = variables.iter().map(|variable| variable.len() + 1).sum();
    boundary.write(count_at, &word(variables.len()))?;
    boundary.write(size_at, &word(size))?;
    Ok(SUCCESS)
}

fn environment(host: Caller<'_, Inside>, mut pointer_at: u32, mut text_at: u32) -> Result<u32, Error> {
    let mut boundary = Boundary::cross(host, "environ_get")?;
    for variable in boundary.host(|host| host.environment.clone()) {
        let text = [variable.as_bytes(), b"\0"].concat();
        boundary.write(pointer_at, &text_at.to_le_bytes())?;
        boundary.write(text_at, &text)?;
        pointer_at += 4;
        text_at += u32::from_le_bytes(word(text.len()));
    }
    Ok(SUCCESS)
}

/// What a panic says before it ends the module.
fn write(host: Caller<'_, Inside>, _: u32, pieces: u32, count: u32, written_at: u32) -> Result<u32, Error> {
    let mut boundary = Boundary::cross(host, "fd_write")?;
    let mut written = 0;
    for piece in 0..count {
        let block = boundary.given(pieces + piece * 8, 8)?;
        let word =
            |at: usize| -> Option<u32> { Some(u32::from_le_bytes(block.get(at..at + 4)?.try_into().ok()?)) };
        let text = boundary.given(word(0).unwrap_or(0), word(4).unwrap_or(0))?;
        written += text.len();
        boundary.host(|host| host.warnings.push(String::from_utf8_lossy(&text).into_owned()));
    }
    boundary.write(written_at, &self::word(written))?;
    Ok(SUCCESS)
}

/// What is counted has to be the same each time, so nothing here is random.
fn random(host: Caller<'_, Inside>, at: u32, size: u32) -> Result<u32, Error> {
    Boundary::cross(host, "random_get")?.write(at, &vec![7; size as usize])?;
    Ok(SUCCESS)
}

fn exit(_: Caller<'_, Inside>, status: i32) -> Result<(), Error> {
    Err(Error::i32_exit(status))
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}
