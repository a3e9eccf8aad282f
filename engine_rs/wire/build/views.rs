//! Generates views: structs with the fields of a message whose texts borrow from its bytes.

use std::collections::BTreeMap;
use std::fmt::{Error, Write};

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// Stands where a type or an expression should.
const NOT_SUPPORTED: &str = "compile_error!(\"views have no fields of this kind yet\")";

/// The views of some messages and of all that they hold.
pub(crate) fn generate(descriptors: &FileDescriptorSet, roots: &[&str]) -> Result<String, Error> {
    let mut messages = BTreeMap::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            messages.insert(format!(".{}.{}", file.package(), message.name()), message);
        }
    }
    let mut reached: Vec<&str> = roots.to_vec();
    let mut next = 0;
    while let Some(name) = reached.get(next).copied() {
        for field in messages.get(name).iter().flat_map(|message| &message.field) {
            if field.r#type() == Type::Message && !reached.contains(&field.type_name()) {
                reached.push(field.type_name());
            }
        }
        next += 1;
    }
    let mut generated = String::new();
    for message in reached.iter().filter_map(|name| messages.get(*name)) {
        write_view(message, &mut generated)?;
    }
    Ok(generated)
}

/// The only message without a text that requests hold.
fn type_name(message: &str) -> String {
    match message {
        "Timestamp" => message.to_owned(),
        _ => format!("{message}<'a>"),
    }
}

fn write_view(message: &DescriptorProto, out: &mut String) -> Result<(), Error> {
    // A member of a oneof stands in its enum; an optional field is a oneof of its own in the schema only.
    let is_member = |field: &FieldDescriptorProto| field.oneof_index.is_some() && !field.proto3_optional();
    let name = type_name(message.name());
    writeln!(out, "#[derive(Clone, Debug, Default, PartialEq)]\npub(crate) struct {name} {{")?;
    for field in message.field.iter().filter(|field| !is_member(field)) {
        writeln!(out, "pub(crate) {}: {},", identifier(field), type_of(field))?;
    }
    for choice in choices(message) {
        writeln!(out, "pub(crate) {choice}: Option<{}<'a>>,", enum_name(message, choice))?;
    }
    writeln!(out, "}}\n")?;
    for choice in choices(message) {
        writeln!(out, "#[derive(Clone, Debug, PartialEq)]")?;
        writeln!(out, "pub(crate) enum {}<'a> {{", enum_name(message, choice))?;
        for field in message.field.iter().filter(|field| is_member(field)) {
            writeln!(out, "{}({}),", variant(field), scalar(field))?;
        }
        writeln!(out, "}}\n")?;
    }
    writeln!(out, "impl<'a> View<'a> for {name} {{")?;
    writeln!(
        out,
        "fn read(&mut self, field: u32, reader: &mut Reader<'a>) -> Result<(), Unreadable> {{\nmatch field {{"
    )?;
    for field in &message.field {
        let place = identifier(field);
        let read = if is_member(field) {
            let choice = choice_of(message, field);
            let value = format!("{}::{}({})", enum_name(message, choice), variant(field), reading(field));
            format!("self.{choice} = Some({value})")
        } else {
            match (field.r#type(), field.label(), field.proto3_optional()) {
                (Type::Message, Label::Repeated, _) => {
                    format!(
                        "{{ let mut item = Default::default(); reader.message(&mut item)?; self.{place}.push(item) }}"
                    )
                }
                (Type::Message, ..) => format!("reader.message(self.{place}.get_or_insert_default())?"),
                (_, Label::Repeated, _) => format!("self.{place}.push({})", reading(field)),
                (_, _, true) => format!("self.{place} = Some({})", reading(field)),
                _ => format!("self.{place} = {}", reading(field)),
            }
        };
        writeln!(out, "{} => {read},", field.number())?;
    }
    writeln!(out, "_ => reader.skip(field)?,\n}}\nOk(())\n}}\n}}\n")
}

fn choices(message: &DescriptorProto) -> impl Iterator<Item = &str> {
    let is_real = |index: usize| {
        let of_choice = |field: &&FieldDescriptorProto| field.oneof_index == i32::try_from(index).ok();
        message.field.iter().filter(of_choice).any(|field| !field.proto3_optional())
    };
    message.oneof_decl.iter().enumerate().filter(move |(index, _)| is_real(*index)).map(|(_, of)| of.name())
}

fn choice_of<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> &'a str {
    let index = usize::try_from(field.oneof_index()).unwrap_or(usize::MAX);
    message.oneof_decl.get(index).map_or("", |choice| choice.name())
}

fn type_of(field: &FieldDescriptorProto) -> String {
    match (field.label(), field.r#type(), field.proto3_optional()) {
        (Label::Repeated, Type::Message, _) => format!("Vec<{}>", scalar(field)),
        // Most lists of names have one or two.
        (Label::Repeated, ..) => format!("SmallVec<[{}; 2]>", scalar(field)),
        (_, Type::Message, _) | (_, _, true) => format!("Option<{}>", scalar(field)),
        _ => scalar(field),
    }
}

fn scalar(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::String => "&'a str".to_owned(),
        Type::Int64 => "i64".to_owned(),
        Type::Int32 | Type::Enum => "i32".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Message => type_name(field.type_name().rsplit('.').next().unwrap_or_default()),
        _ => NOT_SUPPORTED.to_owned(),
    }
}

fn reading(field: &FieldDescriptorProto) -> &'static str {
    match (field.r#type(), field.label()) {
        (Type::String, _) => "reader.text()?",
        // Numbers of a list may come packed.
        (_, Label::Repeated) => NOT_SUPPORTED,
        (Type::Int64, _) => "reader.int64()?",
        (Type::Int32 | Type::Enum, _) => "reader.int32()?",
        (Type::Bool, _) => "reader.boolean()?",
        _ => NOT_SUPPORTED,
    }
}

fn identifier(field: &FieldDescriptorProto) -> String {
    match field.name() {
        "type" => "r#type".to_owned(),
        name => name.to_owned(),
    }
}

fn variant(field: &FieldDescriptorProto) -> String {
    capitalized(field.name())
}

fn enum_name(message: &DescriptorProto, choice: &str) -> String {
    format!("{}{}", message.name(), capitalized(choice))
}

fn capitalized(name: &str) -> String {
    let part = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
    name.split('_').map(part).collect()
}
