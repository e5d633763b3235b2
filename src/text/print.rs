//! Printing. In: a graph and the nodes that are asked for. Out: a line for each node that they and the states that are set beside
//! them are computed from, and for each input that tells a size in there.

use std::fmt::Write;

use super::{
    attribute::{Detail, Writer, write_attributes},
    cursor::is_path,
    error::FORMAT,
};
use crate::graph::{Body, DType, Expr, Graph, IntoResults, NodeId};

impl Graph {
    /// The nodes that `results` are computed from and inputs that alone tell their sizes, for people: of a large
    /// constant only the first elements, and `f32` constants as short as they are told apart. [`text`](crate::text) has
    /// the grammar.
    ///
    /// A handle of another graph is shown as `poison`.
    ///
    /// # Complexity
    /// Linear in the nodes of the graph.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch",));
    /// let loss = (x * x).sum();
    /// assert_eq!(
    ///     g.show([("loss", loss)]),
    ///     "%0: f32[batch] = input \"x\"\n\
    ///      %1: f32[batch] = mul %0, %0\n\
    ///      %2: f32[] = sum %1 axes=[0]\n\
    ///      return loss = %2\n"
    /// );
    /// ```
    #[doc(alias("print", "summary"))]
    pub fn show<'g>(&'g self, results: impl IntoResults<'g>) -> String {
        print(self, &results.into_results(), Detail::Abbreviated)
    }

    /// The nodes that `results` are computed from and inputs that alone tell their sizes, exactly: [`Graph::parse`]
    /// reads the text back if the names of the results are distinct and no error was made, and what it reads compiles
    /// if this graph does.
    ///
    /// # Complexity
    /// Linear in the nodes of the graph and the elements of its constants.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (3,));
    /// let text = g.to_text((x * 0.5).tanh());
    /// let parsed = Graph::parse(&text)?;
    /// assert_eq!(parsed.to_text(), text);
    /// # Ok::<(), pullback::ParseError>(())
    /// ```
    #[doc(alias("dump", "serialize"))]
    pub fn to_text<'g>(&'g self, results: impl IntoResults<'g>) -> String {
        print(self, &results.into_results(), Detail::Exact)
    }
}

fn print(graph: &Graph, results: &[(String, Expr<'_>)], detail: Detail) -> String {
    let numbers = numbers_of_needed(graph, results);
    let mut writer = Writer { text: String::new(), detail, dtype: DType::F32, bodies: Vec::new() };
    if detail == Detail::Exact {
        append(&mut writer.text, format_args!("format {FORMAT}\n"));
    }
    for (id, _) in graph.ids().zip(&numbers).filter(|(_, number)| number.is_some()) {
        graph.node(id).op.bodies().into_iter().for_each(|body| write_body(body, &mut writer));
    }
    for (id, number) in graph.ids().zip(&numbers) {
        if let Some(number) = number {
            write_node(graph, id, *number, &numbers, &mut writer);
        }
    }
    for (state, value) in graph.updates_beside(&local(graph, results)) {
        let word = graph.update_kind(state).expect("invariant: it is updated").word();
        let [state, value] = [state, value].map(|id| numbers[id.index()].expect("invariant: updates are listed"));
        append(&mut writer.text, format_args!("{word} %{state} = %{value}\n"));
    }
    write_return(graph, results, &numbers, &mut writer.text);
    writer.text
}

/// For each node of the graph, its number in the listing if it has one.
fn numbers_of_needed(graph: &Graph, results: &[(String, Expr<'_>)]) -> Vec<Option<usize>> {
    let mut ids = local(graph, results);
    ids.extend(graph.updates_beside(&ids).into_iter().flat_map(|(state, value)| [state, value]));
    let mut numbers = vec![None; graph.len()];
    for (number, id) in graph.needed(&ids).into_iter().enumerate() {
        numbers[id.index()] = Some(number);
    }
    numbers
}

/// The results that are of this graph.
fn local(graph: &Graph, results: &[(String, Expr<'_>)]) -> Vec<NodeId> {
    results.iter().filter(|(_, expr)| std::ptr::eq(expr.graph(), graph)).map(|(_, expr)| expr.id()).collect()
}

/// A body with those inside of it before it, unless it stands there already.
fn write_body(body: &Body, writer: &mut Writer) {
    if writer.bodies.contains(body) {
        return;
    }
    body.nodes().iter().flat_map(|node| node.node.op.bodies()).for_each(|inner| write_body(inner, writer));
    let graph = body.thaw();
    append(&mut writer.text, format_args!("body {} {{\n", writer.bodies.len()));
    let numbers: Vec<Option<usize>> = (0..body.len()).map(Some).collect();
    for (number, id) in graph.ids().enumerate() {
        writer.text.push_str("  ");
        write_node(&graph, id, number, &numbers, writer);
    }
    writer.text.push_str("  return");
    for (position, result) in body.results().iter().enumerate() {
        append(&mut writer.text, format_args!("{} %{result}", if position == 0 { "" } else { "," }));
    }
    writer.text.push_str("\n}\n");
    writer.bodies.push(body.clone());
}

fn write_node(graph: &Graph, id: NodeId, number: usize, numbers: &[Option<usize>], writer: &mut Writer) {
    let node = graph.node(id);
    append(&mut writer.text, format_args!("%{number}: {} = {}", node.ty, node.op.name()));
    for (position, operand) in graph.operands(id).into_iter().enumerate() {
        let separator = if position == 0 { "" } else { "," };
        let operand = numbers[operand.index()].expect("invariant: operands of a listed node are listed");
        append(&mut writer.text, format_args!("{separator} %{operand}"));
    }
    writer.dtype = node.ty.dtype;
    write_attributes(&node.op, writer);
    writer.text.push('\n');
}

fn write_return(graph: &Graph, results: &[(String, Expr<'_>)], numbers: &[Option<usize>], text: &mut String) {
    text.push_str("return");
    for (position, (name, expr)) in results.iter().enumerate() {
        let separator = if position == 0 { " " } else { ", " };
        let name = if is_path(name) { name.clone() } else { format!("{name:?}") };
        append(text, format_args!("{separator}{name} = "));
        match numbers.get(expr.id().index()) {
            Some(Some(number)) if std::ptr::eq(expr.graph(), graph) => append(text, format_args!("%{number}")),
            _ => text.push_str("poison"),
        }
    }
    text.push('\n');
}

fn append(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("invariant: writing to a string does not fail");
}
