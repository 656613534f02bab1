"""Reading instructions: from what people write to the constraints that it states, or to "not understood".

    layout      what of a text is instruction at all, cut into sentences (fences, quoted documents and pasted material
                are not)
    tokens      a sentence as tokens, each with its role in the grammar, by a language's word list
    quantity    numbers in digits and words, and what a relation makes of them
    shapes      patterns over roles
    amounts, terms, surface, edges
                the rules: each reads one clause as a whole, or not at all
    clauses     which stretches of a sentence are clauses that order something, and what part of the answer they bind
    set_wordings
                sentences that a family states in a fixed form of its own
    reading     the entry point: `read_instructions`
    languages/  the word lists, one file a language

The grammar abstains by default: a clause whose words are not all accounted for states nothing.
"""
