//! What the documents show is what a shell prints: each line behind `$` is run, in order, in a folder with the graph of the document.

use crate::folder::Folder;

/// Runs the commands of a document, and compares what they print where the document shows it.
#[cfg(unix)]
fn follow(document: &str) {
    let folder = Folder::new();
    let (mut n_commands, mut is_graph, mut is_console) = (0, false, false);
    let mut graph = String::new();
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in document.lines() {
        match line {
            "```graph" => is_graph = true,
            "```console" => is_console = true,
            "```" => (is_graph, is_console) = (false, false),
            line if is_graph => graph += &format!("{line}\n"),
            line if is_console => match line.strip_prefix("$ ") {
                Some(command) => commands.push((command, String::new())),
                None => commands.last_mut().expect("a command").1 += &format!("{line}\n"),
            },
            _ => {}
        }
    }
    folder.write("line.graph", graph);
    for (command, shown) in commands {
        n_commands += 1;
        let ran = folder.shell(command);
        let is_mistake = shown.starts_with("error: ");
        assert_eq!(ran.code, Some(i32::from(is_mistake)), "{command}\n{}{}", ran.stdout, ran.stderr);
        if !shown.is_empty() {
            assert_eq!(if is_mistake { ran.stderr } else { ran.stdout }, shown, "{command}");
        }
    }
    assert!(n_commands >= 5, "{n_commands} commands");
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    follow(include_str!("../../README.md"));
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_guide_print_what_it_shows() {
    follow(include_str!("../../../../docs/guide/command-line.md"));
}

/// The help of every subcommand is there, and the README has a row for each.
#[test]
fn the_readme_lists_the_subcommands() {
    let folder = Folder::new();
    let help = folder.run("help").done().stdout;
    let listed = help.split("Commands:\n").nth(1).expect("a list").lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> =
        listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert_eq!(names.len(), 8, "{help}");
    for name in names {
        assert!(include_str!("../../README.md").contains(&format!("| `pullback {name} GRAPH")), "{name}");
        assert!(folder.run(&format!("help {name}")).done().stdout.contains("Usage: pullback"));
    }
}
