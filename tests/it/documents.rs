//! Documents name what exists: files, headings, and commands that are the same wherever they are written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const FOLDERS: [&str; 6] = ["benches", "docs", "examples", "fuzz", "src", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder, but for what builds leave.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it is readable").path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let folders = folders.into_iter().filter(|folder| !folder.ends_with("target"));
    files.into_iter().chain(folders.flat_map(|folder| below(&folder))).collect()
}

/// The files of the repository: those of the root, and those of its folders.
fn files() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).expect("a folder").map(|entry| entry.expect("it is readable").path());
    let top = top.filter(|path| path.is_file());
    top.chain(FOLDERS.iter().flat_map(|folder| below(&root().join(folder)))).collect()
}

fn is_of(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

fn documents() -> Vec<PathBuf> {
    files().into_iter().filter(|path| is_of(path, &["md"])).collect()
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What stands between `open` and the next `close`, each time.
fn between<'t>(text: &'t str, open: &str, close: char) -> Vec<&'t str> {
    text.match_indices(open)
        .filter_map(|(position, _)| text[position + open.len()..].split_once(close))
        .map(|(inside, _)| inside)
        .collect()
}

/// The anchors that a document's headings have where documents are shown: in lower case, with hyphens for spaces.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// What is wrong with a link of a document, if anything is.
fn broken(document: &Path, link: &str) -> Option<String> {
    if link.starts_with("http") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { document.to_owned() } else { document.with_file_name("").join(path) };
    let is_there =
        target.exists() && (anchor.is_empty() || anchors(&read(&target)).iter().any(|known| known == anchor));
    (!is_there).then(|| format!("{}: {link}", document.display()))
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let mut links = 0;
    let mut all_broken = Vec::new();
    for document in documents() {
        for link in between(&prose(&read(&document)), "](", ')') {
            links += 1;
            all_broken.extend(broken(&document, link));
        }
    }
    assert!(links > 50, "{links} links");
    assert!(all_broken.is_empty(), "links to nothing:\n{}", all_broken.join("\n"));
}

/// Whether a path of the repository is in the package, by a pattern of `include`: a folder, or a name with one `*`.
fn is_included(path: &str, pattern: &str) -> bool {
    let pattern = pattern.trim_start_matches('/');
    match pattern.replace("**/", "").split_once('*') {
        Some((begin, end)) => {
            let rest = path.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end));
            rest.is_some_and(|rest| pattern.contains("**") || !rest.contains('/'))
        }
        None => Path::new(path).starts_with(pattern),
    }
}

/// The patterns of `include` in the manifest.
fn include_patterns() -> Vec<String> {
    let manifest = read(&root().join("Cargo.toml"));
    let include = between(&manifest, "\ninclude = [", ']').concat();
    between(&include, "\"", '"').into_iter().step_by(2).map(str::to_owned).collect()
}

/// Whether a file of the repository is in the package.
fn is_packaged(path: &Path, patterns: &[String]) -> bool {
    let path = path.canonicalize().expect("it exists");
    let path = path.strip_prefix(root()).expect("it is in the repository").to_string_lossy().into_owned();
    path == "README.md" || patterns.iter().any(|pattern| is_included(&path, pattern))
}

/// An example of the package compiles from the package: what it names by a path is there.
#[test]
fn modules_of_packaged_examples_are_in_the_package() {
    let patterns = include_patterns();
    let examples = below(&root().join("examples"));
    let packaged = examples.iter().filter(|path| is_of(path, &["rs"]) && is_packaged(path, &patterns));
    let modules: Vec<PathBuf> = packaged
        .flat_map(|example| {
            let text = read(example);
            let paths = between(&text, "#[path = \"", '"').into_iter().map(|path| example.with_file_name(path));
            paths.collect::<Vec<_>>()
        })
        .collect();
    assert!(modules.len() > 1, "{modules:?}");
    let left_out: Vec<_> = modules.iter().filter(|module| !is_packaged(module, &patterns)).collect();
    assert!(left_out.is_empty(), "modules out of the package: {left_out:?}");
}

/// The figures of the lecture are left out, since they are most of the size.
#[test]
fn links_of_packaged_documents_lead_into_the_package() {
    let patterns = include_patterns();
    let is_packaged = |path: &Path| is_packaged(path, &patterns);
    let (mut n_documents, mut left_out) = (0, Vec::new());
    for document in documents().iter().filter(|document| is_packaged(document)) {
        n_documents += 1;
        for link in between(&prose(&read(document)), "](", ')') {
            let path = link.split('#').next().unwrap_or_default();
            let target = document.with_file_name("").join(path);
            let is_local = !link.starts_with("http") && !path.is_empty() && !path.ends_with(".svg");
            // A folder is there with its documents.
            if is_local && target.is_file() && !is_packaged(&target) {
                left_out.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(n_documents > 20, "{n_documents} documents");
    assert!(left_out.is_empty(), "links out of the package:\n{}", left_out.join("\n"));
}

/// In documents, comments, messages and scripts alike.
#[test]
fn every_document_that_is_named_exists() {
    let mut named = BTreeSet::new();
    for file in files().iter().filter(|path| is_of(path, &["md", "rs", "py", "toml"]) || path.extension().is_none()) {
        let Ok(text) = fs::read_to_string(file) else { continue };
        let is_path = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let words = text.split(|c: char| !is_path(c)).filter(|word| word.starts_with("docs/"));
        named.extend(words.map(|word| (word.trim_end_matches('.').to_owned(), file.clone())));
    }
    assert!(named.len() > 20, "{} paths", named.len());
    let missing: Vec<_> = named.iter().filter(|(path, _)| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "documents that do not exist: {missing:#?}");
}

/// `plan/check.rs` in a document means the file whose path ends so.
#[test]
fn every_source_file_that_a_document_names_exists() {
    let files: Vec<String> = files().iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut missing = Vec::new();
    let mut n_named = 0;
    for document in documents() {
        let text = prose(&read(&document));
        let named = text.split('`').skip(1).step_by(2).filter(|word| {
            word.ends_with(".rs") && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.'))
        });
        for name in named {
            n_named += 1;
            if !files.iter().any(|file| file.ends_with(&format!("/{name}"))) {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(n_named > 50, "{n_named} names");
    assert!(missing.is_empty(), "source files that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn the_index_lists_every_document() {
    let docs = root().join("docs");
    let index = docs.join("README.md");
    let text = read(&index);
    let listed: Vec<PathBuf> = between(&text, "](", ')').iter().map(|link| docs.join(link)).collect();
    let is_listed = |document: &PathBuf| listed.contains(document) || *document == index;
    // The decisions have one line, since their folder is their list.
    let unlisted: Vec<PathBuf> = documents()
        .into_iter()
        .filter(|path| path.starts_with(&docs) && !path.starts_with(docs.join("decisions")) && !is_listed(path))
        .collect();
    assert!(unlisted.is_empty(), "documents that docs/README.md does not list: {unlisted:?}");
}

/// Nobody needs `just`: CONTRIBUTING.md has each command as it is typed, with the name of its recipe before it.
#[test]
fn every_recipe_is_a_command_of_contributing() {
    let contributing = read(&root().join("CONTRIBUTING.md"));
    let justfile = read(&root().join("justfile"));
    let mut recipe = "";
    let mut n_commands = 0;
    let mut undocumented = Vec::new();
    for line in justfile.lines().filter(|line| !line.starts_with('#') && !line.contains(":=")) {
        match line.strip_prefix("    ") {
            None => recipe = line.split([' ', ':']).next().unwrap_or_default(),
            // What `just` alone does.
            Some(_) if recipe.starts_with('_') => {}
            // A recipe's argument is written in capitals there.
            Some(command) => {
                let typed = command.replace("{{", "").replace("}}", "");
                n_commands += 1;
                let row = format!("| `{recipe}");
                let is_documented = |line: &str| line.starts_with(&row) && line.contains(&typed);
                if !contributing.lines().any(is_documented) {
                    undocumented.push(format!("{recipe}: {typed}"));
                }
            }
        }
    }
    assert!(n_commands >= 12, "{n_commands} commands");
    assert!(undocumented.is_empty(), "not in CONTRIBUTING.md:\n{}", undocumented.join("\n"));
}
