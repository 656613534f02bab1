"""Reading instructions: from what people write to the constraints that it states, or to "not understood".

    layout      what of a text is instruction at all, cut into sentences (fences, quoted documents and pasted material
                are not)
    tokenizer, neighbours
                a sentence as tokens, each with its role in the grammar, by a language's word list and its neighbours
    quantity    numbers in digits and words, and what a relation makes of them
    shapes      patterns over roles
    amounts, terms, surface, edges
                the rules: each reads one clause as a whole, or not at all
    segments    a sentence cut into clauses and what no rule reads
    standing, refusals, left_context, right_context
                what the sentence is, and whether what stands around a clause lets it order something
    clauses     the clauses of a sentence, each settled by its surroundings
    set_wordings
                sentences that a family states in a fixed form of its own
    reading     the entry point: `read_instructions`
    languages/  the word lists, one file a language

The grammar abstains by default: a clause whose words are not all accounted for states nothing.
"""
