"""Section 1 from the commands themselves: --experimental-dump-help and the usage of --help."""

import json
import os
import re
import subprocess

from roff import code, escape, marked, paragraphs, see_also, title

BENCHMARKS = "benchmark.1.in"


def output(program, *arguments):
  return subprocess.run([program, *arguments], check=True, capture_output=True, text=True, timeout=60).stdout


def usage(program, words):
  """The lines after USAGE: in the help of a command or subcommand."""
  text = output(program, *words, "--help")
  match = re.search(r"^USAGE: (.*?)\n\s*$", text, re.DOTALL | re.MULTILINE)
  return [line.strip() for line in match.group(1).split("\n")]


def option_text(argument):
  names = []
  for name in argument.get("names", []):
    text = code(("-" if name["kind"] == "short" else "--") + name["name"])
    value = "" if argument["kind"] == "flag" else " \\fI" + code(argument["valueName"]) + "\\fP"
    names.append(f"\\fB{text}\\fP{value}")
  if argument["kind"] == "positional":
    names = ["\\fI" + code(argument["valueName"].upper()) + "\\fP"]
  text = marked(argument.get("abstract", ""))
  if argument.get("defaultValue"):
    text += f" (default: {escape(argument['defaultValue'])})"
  return f".TP\n{', '.join(names)}\n{text}"


def page(name, command, lines, extra, version, related):
  out = [title(name, "1", version) + ".SH NAME", f"{code(name)} \\- " + summary(command), ".SH SYNOPSIS"]
  out.append("\n.br\n".join(f"\\fB{code(line)}\\fP" for line in lines))
  out += [".SH DESCRIPTION", marked(command["abstract"])]
  if command.get("discussion"):
    out += [".PP", paragraphs(command["discussion"])]
  visible = [a for a in command.get("arguments", []) if a["shouldDisplay"]]
  out += [".SH OPTIONS"] + [option_text(argument) for argument in visible]
  subcommands = [s for s in command.get("subcommands", []) if s["shouldDisplay"] and s["commandName"] != "help"]
  if subcommands:
    out.append(".SH COMMANDS")
    out += [f".TP\n\\fB{code(name + '-' + s['commandName'])}\\fP(1)\n{marked(s['abstract'])}" for s in subcommands]
  return "\n".join(out) + "\n" + extra + see_also(related)


def summary(command):
  """The abstract as the NAME section wants it: without its full stop and capital."""
  text = command["abstract"].rstrip(".")
  return marked(text[0].lower() + text[1:])


def pages(folder, tools, extras, version):
  """Pairs of a file's name and its text, for each tool and its subcommands. Those that are links are benchmarks."""
  links = [tool for tool in tools if os.path.islink(os.path.join(folder, tool))]

  def extra(name):
    for file in (f"{name}.1.in", BENCHMARKS if name in links else ""):
      path = os.path.join(extras, file)
      if os.path.isfile(path):
        with open(path, encoding="utf-8") as opened:
          text = opened.read()
        return text.replace("@NAME@", code(name)).replace("@BENCHMARK@", code(name.removeprefix("merino-")))
    return ""

  for tool in tools:
    program = os.path.join(folder, tool)
    root = json.loads(output(program, "--experimental-dump-help"))["command"]
    commands = [(tool, root, [])]
    commands += [(f"{tool}-{s['commandName']}", s, [s["commandName"]]) for s in root.get("subcommands", [])
                 if s["shouldDisplay"] and s["commandName"] != "help"]
    names = [name for name, _, _ in commands]
    for name, command, words in commands:
      others = ["merino", *names]
      if name in links:
        others.append("merino-bench")
      elif name == "merino-bench":
        others += links
      related = [(other, "1") for other in dict.fromkeys(others) if other != name]
      related += [("merino", "7"), ("merino-environment", "7")]
      yield f"{name}.1", page(name, command, usage(program, words), extra(name), version, related)
