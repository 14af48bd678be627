"""Tables on the terminal while they are measured, and on a page."""


class Table:
    def __init__(self, title, columns):
        self._title, self._columns, self._rows, self._notes = title, columns, [], []
        self._widths = [max(len(column), 9) for column in columns]
        print(f"\n{title}\n  " + "  ".join(column.rjust(width) for column, width in zip(columns, self._widths)), flush=True)

    def add(self, *values):
        """A value with a goal is (text, whether it is met)."""
        texts = [_text(value) for value in values]
        self._rows.append(texts)
        print("  " + "  ".join(text.rjust(width) for text, width in zip(texts, self._widths)), flush=True)

    def note(self, text, goal, met):
        self._notes.append(f"{text} (goal {goal}: {'yes' if met else '**NO**'}).")
        print(f"  {text} ({goal}: {'yes' if met else 'NO'})", flush=True)

    def markdown(self):
        lines = [f"**{self._title}**", "", "| " + " | ".join(self._columns) + " |", "|---" * len(self._columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in self._rows]
        return "\n".join([*lines, *([""] + self._notes if self._notes else []), ""])


def _text(value):
    if not isinstance(value, tuple):
        return str(value)
    text, met = value
    return text if met else f"{text} NO"
