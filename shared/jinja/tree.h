// A template as a tree: statements, and the expressions in them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shared/jinja/value.h"

namespace apportion::jinja {

/// The deepest nesting of nodes; it bounds the recursion of the parser and of whatever walks the tree.
constexpr int max_tree_depth = 100;

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

struct Expression {
  enum class Kind {
    constant,     // value
    name,         // name
    list,         // parts
    tuple,        // parts
    dict,         // parts: key, value, key, value, ...
    attribute,    // parts[0] . name
    item,         // parts[0] [ parts[1] ]
    slice,        // parts[0] [ parts[1] : parts[2] : parts[3] ], omitted ones are null
    call,         // parts[0] ( the others, keywords )
    filter,       // parts[0] | name ( the others, keywords )
    test,         // parts[0] is name ( the others )
    negative,     // - parts[0]
    positive,     // + parts[0]
    negation,     // not parts[0]
    both,         // parts[0] and parts[1]
    either,       // parts[0] or parts[1]
    operation,    // parts[0] name parts[1]
    joined,       // parts[0] ~ parts[1] ~ ...
    comparison,   // parts[0] operators[0] parts[1] operators[1] ...
    conditional,  // parts[0] if parts[1] else parts[2], which is null when omitted
  };
  Kind kind;
  int line;
  int depth = 1;  // how deep nodes are nested, this one included
  std::string name{};
  Value value{};
  std::vector<ExpressionPointer> parts{};
  std::vector<std::pair<std::string, ExpressionPointer>> keywords{};
  std::vector<std::string> operators{};
};

struct Statement {
  enum class Kind {
    text,       // text
    output,     // value
    condition,  // branches, otherwise
    loop,       // for targets in value if filter: body, otherwise
    set,        // targets = value; with `attribute`: targets[0].attribute = value
    set_text,   // targets[0] = what the body writes
    macro,      // text ( targets, the last of them with `defaults` ): body
    scope,      // body, whose names are its own
    leave,      // break
    next,       // continue
  };
  /// One `if` or `elif`.
  struct Branch {
    ExpressionPointer condition;
    std::vector<Statement> body;
  };
  Kind kind;
  int line;
  std::string text{};
  std::string attribute{};
  bool unpacks = false;  // targets are a tuple's
  std::vector<std::string> targets{};
  ExpressionPointer value{};
  ExpressionPointer filter{};
  std::vector<ExpressionPointer> defaults{};
  std::vector<Branch> branches{};
  std::vector<Statement> body{};
  std::vector<Statement> otherwise{};
};

}  // namespace apportion::jinja
