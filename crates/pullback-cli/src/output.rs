//! Where text goes: a file that is written whole, or the standard output.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{error::CliError, graph_file::STANDARD};

/// Writes bytes into a file, which is replaced once they are complete; or to the standard output.
pub(crate) fn write(file: &str, bytes: &[u8]) -> Result<(), CliError> {
    let written = match file {
        STANDARD => {
            let mut output = io::stdout().lock();
            output.write_all(bytes).and_then(|()| output.flush())
        }
        // A device or pipe is written to, not replaced.
        file if Path::new(file).metadata().is_ok_and(|found| !found.is_file()) => fs::write(file, bytes),
        file => replace(Path::new(file), bytes),
    };
    let name = if file == STANDARD { "standard output" } else { file };
    written.map_err(|source| CliError::Write { file: name.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pullback-").suffix(".part");
    // The system takes from these what the process withholds.
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside: NamedTempFile = builder.tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.persist(path).map_err(|error| error.error)?;
    Ok(())
}
