#include "chat/chat.h"

#include <algorithm>

#include "chat/chat_guide.h"
#include "chat/own_templates.h"

namespace hearth::chat {

namespace {

bool is_special(const Tokenizer& tokenizer, int32_t id) {
    const TokenType type = tokenizer.type(id);
    return type == TokenType::control || type == TokenType::user_defined;
}

uint64_t hash_of(std::span<const int32_t> tokens) {
    uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a over ids
    for (const int32_t token : tokens) hash = (hash ^ uint32_t(token)) * 0x100000001B3u;
    return hash;
}

}  // namespace

TemplateSource template_source(const Metadata& file, const Tokenizer& tokenizer) {
    TemplateSource source;
    source.usual = std::string(file.text("tokenizer.chat_template").value_or(""));
    source.with_tools = std::string(file.text("tokenizer.chat_template.tool_use").value_or(""));
    source.architecture = std::string(file.text("general.architecture").value_or(""));
    const SpecialIds& ids = tokenizer.special();
    for (const auto& [name, id] : {std::pair("bos_token", ids.bos), std::pair("eos_token", ids.eos),
                                   std::pair("pad_token", ids.padding), std::pair("unk_token", ids.unknown)})
        if (id >= 0) source.special_tokens.emplace_back(name, tokenizer.text(id));
    return source;
}

Result<std::unique_ptr<ChatModel>> ChatModel::make(const Metadata& file, const Tokenizer& tokenizer) {
    std::unique_ptr<ChatModel> made(new ChatModel(tokenizer));
    TemplateSource source = template_source(file, tokenizer);
    const bool has_own = !source.usual.empty();
    if (has_own) {
        auto theirs = ChatTemplate::make(source);
        if (theirs)
            made->template_ = std::move(*theirs);
        else
            made->note_ = "the chat template of this model cannot be used: " + theirs.error().what;
    }
    if (!made->template_) {
        const OwnTemplate own = own_template(tokenizer);
        if (own.name.empty())
            return fail(
                ErrorKind::unsupported,
                has_own ? made->note_ : "this model has no chat template, and its vocabulary tells of no form we know",
                "use --raw to continue a text");
        if (has_own) made->note_ += fmt::format("; the plain form of {} takes its place", own.name);
        source.usual = own.source;
        source.with_tools.clear();
        source.is_own = true;
        made->template_ = TRY(ChatTemplate::make(std::move(source)));
    }
    const Family& family = made->template_->family();
    made->lexicon_ = std::make_shared<Lexicon>(family.channels, &tokenizer);
    if (!family.end_thought.empty()) TRY(tokenizer.encode_marked(family.end_thought, {}, false, made->end_thought_));
    for (const std::string_view text : family.stops)
        if (const auto id = tokenizer.find(text); id && is_special(tokenizer, *id)) made->ends_.push_back(*id);
    std::ranges::sort(made->ends_);
    return made;
}

Result<Prompt> ChatModel::prompt(const Conversation& conversation, const Said* earlier) const {
    Prompt prompt;
    prompt.tools = std::make_shared<Tools>(TRY(Tools::read(conversation.tools)));
    prompt.text = TRY(template_->render(conversation));
    if (!prompt.tools->empty() && !template_->abilities().tools)
        prompt.notes.push_back("this model was not made for tools: its template does not show them");
    const std::string& text = prompt.text.text;
    if (earlier && !earlier->text.empty() && text.starts_with(earlier->text)) {
        const size_t begin = earlier->text.size();
        std::vector<InputSpan> input;
        for (const InputSpan& span : prompt.text.input)
            if (span.end > begin) input.push_back({std::max(span.begin, begin) - begin, span.end - begin});
        std::vector<int32_t> rest;
        TRY(tokenizer_.encode_marked(std::string_view(text).substr(begin), input, false, rest));
        // Only a special token is a border that no word reaches across.
        if (!rest.empty() && is_special(tokenizer_, rest[0])) {
            prompt.tokens = earlier->tokens;
            prompt.tokens.insert(prompt.tokens.end(), rest.begin(), rest.end());
            return prompt;
        }
    }
    // Templates mostly write the first token themselves; once is enough.
    const int32_t bos = tokenizer_.special().bos;
    const bool writes_bos = bos >= 0 && text.starts_with(tokenizer_.text(bos));
    if (tokenizer_.add_bos() && !writes_bos) prompt.tokens.push_back(bos);
    TRY(tokenizer_.encode_marked(text, prompt.text.input, false, prompt.tokens));
    return prompt;
}

ChatModel::Said ChatModel::said(const Prompt& prompt, std::span<const int32_t> tokens, const Reply& reply) const {
    Said said{.text = prompt.text.text, .tokens = prompt.tokens};
    while (!tokens.empty() && (tokenizer_.is_end(tokens.back()) || std::ranges::binary_search(ends_, tokens.back())))
        tokens = tokens.first(tokens.size() - 1);
    said.tokens.insert(said.tokens.end(), tokens.begin(), tokens.end());
    // What the template will be given for it; bytes that were no text read differently there.
    const bool is_plain =
        reply.thinking.empty() && reply.calls.empty() && reply.warnings.empty() && reply.stopped.empty();
    said.text += is_plain ? reply.answer : tokenizer_.decode(tokens, true);
    return said;
}

std::unique_ptr<Guide> ChatModel::guide(const Prompt& prompt, const ReplyOptions& options) const {
    GuideSetup setup;
    setup.reply = {.lexicon = lexicon_,
                   .tools = prompt.tools,
                   .id_seed = hash_of(prompt.tokens),
                   .begins_in_thought = prompt.text.begins == PromptText::Begins::in_thought,
                   .begins_in_answer = prompt.text.begins == PromptText::Begins::in_answer};
    setup.end_thought_now = options.end_thought;
    setup.thinking_budget = prompt.text.ends_thought ? 0 : options.thinking_budget;
    setup.end_thought = end_thought_;
    setup.stops = options.stops;
    setup.ends = ends_;
    return std::make_unique<ChatGuide>(std::move(setup));
}

const Sampling& ChatModel::sampling(bool thinks) const {
    return thinks ? template_->family().thinking : template_->family().plain;
}

}  // namespace hearth::chat
