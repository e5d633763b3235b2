//! Files that are replaced whole. In: a path, and what writes the content. Out: a file that is complete, or an error and the
//! folder as it was. What the content is, the callers know.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use tempfile::{Builder, NamedTempFile};

/// Writes a file beside `path` and puts it in its place once it is complete and on the disk: whoever reads `path` sees the
/// old content or the new one, however many write it at once, and whoever is stopped in between leaves the old one.
///
/// The name beside is new each time. Nothing is left under it after an error; only a process that is killed leaves it.
///
/// # Errors
/// Whatever `write` or the system says.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut beside = create_in(folder)?;
    let mut writer = BufWriter::new(beside.as_file_mut());
    write(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    // From here on the name is the user's: what is dropped on the way out of an error is removed.
    beside.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A new file with a name that no other has, with the rights that a file made by `File::create` has.
fn create_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".pullback-").suffix(".part");
    // The system takes from these what the process withholds.
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Puts the new name on the disk too, where folders can be opened and synced: elsewhere the system does it in its own time.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    /// An empty folder of this test alone, and all names in it.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pullback-replace-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_that_fails_anywhere_leaves_the_old_file_and_no_other() {
        let folder = folder("fails");
        let path = folder.join("file");
        replace(&path, |file| file.write_all(b"old")).unwrap();
        // More than the buffer holds, so that some of it is in the file beside.
        for n_bytes in [0, 1, 100_000] {
            let full = || io::Error::from(io::ErrorKind::StorageFull);
            let error = replace(&path, |file| file.write_all(&vec![1; n_bytes]).and(Err(full()))).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert_eq!((fs::read(&path).unwrap(), names(&folder)), (b"old".to_vec(), vec!["file".to_owned()]));
        }
        // The content is written, but cannot take the place: a folder has it, or there is no such name.
        fs::create_dir(folder.join("taken")).unwrap();
        fs::write(folder.join("taken/inside"), []).unwrap();
        for target in ["taken", "..", "absent/file"] {
            assert!(replace(&folder.join(target), |file| file.write_all(b"new")).is_err(), "{target}");
            assert_eq!(names(&folder), ["file", "taken"], "{target}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_rights_of_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("rights");
        fs::write(folder.join("plain"), []).unwrap();
        replace(&folder.join("replaced"), |_| Ok(())).unwrap();
        let [plain, replaced] =
            ["plain", "replaced"].map(|name| fs::metadata(folder.join(name)).unwrap().permissions().mode());
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(plain, replaced);
    }
}
