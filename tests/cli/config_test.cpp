// Settings from the command line, the environment and the configuration file: which of them counts, and what is wrong.
#include "cli/command.h"

namespace hearth::test {
namespace {

class Settings : public Command {
protected:
    // The line of a setting in what `hearth serve --check-config` prints, its blanks made single.
    static std::string line_of(const Ran& ran, const std::string& name) {
        std::istringstream text(ran.out);
        for (std::string line; std::getline(text, line);) {
            if (!line.starts_with(name + " =") && !line.starts_with("# " + name + " =")) continue;
            std::string single;
            for (const char c : line)
                if (c != ' ' || !single.ends_with(' ')) single += c;
            return single;
        }
        return "no " + name + " in: " + ran.out + ran.err;
    }
    Ran check(const std::string& before, const std::string& flags = "") const {
        return shell(before + " \"$H\" serve --check-config --config c.toml " + flags);
    }
    void is_wrong(const std::string& text, const std::vector<std::string>& words) const {
        write("c.toml", text);
        refused("\"$H\" serve --check-config --config c.toml", 2, words);
        refused("\"$H\" run --config c.toml hi", 2, words);
    }
};

TEST_F(Settings, TheNearestCounts) {
    write("c.toml", R"(threads = 2
port = 4
drain = 7
[serve]
model = ["one=ember", "two=ember"]
threads = 3
strict = true
port = 5
[run]
threads = 9
)");
    const Ran file = check("");
    EXPECT_EQ(file.exit_code, 0) << file.err;
    EXPECT_EQ(line_of(file, "threads"), "threads = 3 # c.toml:6");
    EXPECT_EQ(line_of(file, "drain"), "drain = 7 # c.toml:3");
    EXPECT_EQ(line_of(file, "model"), "model = [\"one=ember\", \"two=ember\"] # c.toml:5");
    EXPECT_EQ(line_of(file, "strict"), "strict = true # c.toml:7");
    EXPECT_EQ(line_of(file, "parallel"), "parallel = 4 # built-in");
    EXPECT_EQ(line_of(file, "kv"), "# kv = # built-in");
    EXPECT_EQ(line_of(file, "ctx"), "# ctx = # built-in");
    EXPECT_EQ(line_of(file, "mmap"), "mmap = false # built-in");
    EXPECT_NE(file.err.find("two: "), std::string::npos) << file.err;

    const Ran environment = check("HEARTH_PORT=6 HEARTH_MODEL=a=ember,b=ember HEARTH_STRICT=off");
    EXPECT_EQ(line_of(environment, "port"), "port = 6 # HEARTH_PORT");
    EXPECT_EQ(line_of(environment, "model"), "model = [\"a=ember\", \"b=ember\"] # HEARTH_MODEL");
    EXPECT_EQ(line_of(environment, "strict"), "strict = false # HEARTH_STRICT");
    EXPECT_EQ(line_of(environment, "threads"), "threads = 3 # c.toml:6");

    const Ran typed = check("HEARTH_PORT=6", "--port 8 --strict=false --model ember");
    EXPECT_EQ(line_of(typed, "port"), "port = 8 # --port");
    EXPECT_EQ(line_of(typed, "strict"), "strict = false # --strict");
    EXPECT_EQ(line_of(typed, "model"), "model = [\"ember\"] # --model");

    // What is printed is a configuration file of the same effect.
    write("d.toml", file.out);
    const Ran again = hearth("serve --check-config --config d.toml");
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(line_of(again, "threads").substr(0, 11), "threads = 3");
    EXPECT_EQ(line_of(again, "port").substr(0, 8), "port = 5");
}

TEST_F(Settings, TheUsualFileIsFound) {
    fs::create_directories(folder / "place/hearth");
    write("place/config.toml", "drain = 11\n");
    write("place/hearth/config.toml", "drain = 12\n");
    EXPECT_EQ(line_of(shell("HEARTH_HOME=place \"$H\" serve --check-config"), "drain"),
              "drain = 11 # place/config.toml:1");
    EXPECT_NE(line_of(shell("XDG_CONFIG_HOME=$PWD/place \"$H\" serve --check-config"), "drain").find("drain = 12 #"),
              std::string::npos);
    EXPECT_EQ(line_of(hearth("serve --check-config"), "drain"), "drain = 30 # built-in");
    refused("\"$H\" serve --config missing.toml", 2, {"missing.toml", "--config"});
    refused("\"$H\" serve --config place", 2, {"place"});
}

TEST_F(Settings, MistakesAreNamedWithTheirLine) {
    is_wrong("drain = 1\nprot = 2\n", {"c.toml:2: there is no setting prot", "did you mean port?"});
    is_wrong("[serve]\n\nmax_body = 2\n", {"c.toml:3: there is no setting max_body in [serve]", "max-body?"});
    is_wrong("[server]\nport = 2\n", {"c.toml:2: there is no table [server]", "[run], [serve]"});
    is_wrong("[run]\nport = 2\n", {"c.toml:2: there is no setting port in [run]"});
    is_wrong("[serve]\nport = \"2\"\n", {"c.toml:2: port is a text in quotes, and must be a whole number"});
    is_wrong("[serve]\nstrict = 1\n", {"c.toml:2: strict is a whole number, and must be true or false"});
    is_wrong("[serve]\nmodel = [1]\n", {"c.toml:2: model is a list of whole numbers, and must be a list of texts"});
    is_wrong("[serve]\nmodel = [\"a\", 1]\n", {"c.toml:2:", "either texts or numbers"});
    is_wrong("[serve]\nmodel = []\n", {"c.toml:2:", "empty"});
    is_wrong("[serve]\nport = 1979-05-27\n", {"c.toml:2:", "settings are"});
    is_wrong("[serve.deep]\nport = 1\n", {"c.toml:", "no tables in [serve]"});
    is_wrong("[serve]\nport = = 2\n", {"c.toml:2: this is not TOML"});
    is_wrong("[serve]\nport = 1\nport = 2\n", {"c.toml:", "this is not TOML"});
    is_wrong("[serve]\nhost = \"unfinished\n", {"c.toml:2: this is not TOML"});
    is_wrong(std::string(300 << 10, '#'), {"c.toml", "256 KiB"});
}

TEST_F(Settings, ValuesAreCheckedLikeFlags) {
    write("c.toml", "[serve]\nport = 70000\n");
    refused("\"$H\" serve --config c.toml", 2, {"c.toml:2: ", "70000", "65535"});
    write("c.toml", "kv = \"f17\"\n");
    refused("\"$H\" serve --config c.toml", 2, {"c.toml:1: ", "f17"});
    refused("HEARTH_PORT=x \"$H\" serve", 2, {"HEARTH_PORT: ", "x"});
    refused("HEARTH_STRICT=maybe \"$H\" serve", 2, {"HEARTH_STRICT=maybe", "1 or 0"});
    // Flags that exclude each other: what was typed wins, two settings contradict each other.
    write("c.toml", "mmap = true\nquant = \"q8_0\"\n");
    refused("\"$H\" serve --config c.toml", 2, {"c.toml:2: ", "mmap", "exclude"});
    write("c.toml", "mmap = true\n");
    EXPECT_EQ(line_of(check("", "--quant q8_0"), "mmap"), "mmap = false # built-in");
    // So does the environment before the file, and the table of a command before what stands above it.
    write("c.toml", "quant = \"q8_0\"\n");
    EXPECT_EQ(line_of(check("HEARTH_MMAP=1 "), "mmap"), "mmap = true # HEARTH_MMAP");
    EXPECT_EQ(line_of(check("HEARTH_MMAP=1 "), "quant"), "# quant = # built-in");
    write("c.toml", "quant = \"q8_0\"\n[serve]\nmmap = true\n");
    EXPECT_EQ(line_of(check(""), "mmap"), "mmap = true # c.toml:3");
    // A configuration that cannot be served is wrong usage too, after the settings.
    write("c.toml", "[serve]\nmodel = \"nothing.gguf\"\n");
    const Ran wrong = check("");
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_EQ(line_of(wrong, "model"), "model = [\"nothing.gguf\"] # c.toml:2");
    EXPECT_NE(wrong.err.find("no file nothing.gguf"), std::string::npos) << wrong.err;
}

TEST_F(Settings, AThoughtThatIsAskedForComesBeforeABudgetOfNone) {
    refused("\"$H\" run --think --think-budget 0 ember hi", 2, {"--think and --think-budget 0 exclude each other"});
    const std::string ask = "\"$H\" run --config c.toml --events --temp 0 ember 'What is 17 + 25?' ";
    const auto thinks = [](const Ran& ran) { return ran.out.find("\"thinking\"") != std::string::npos; };
    write("c.toml", "[run]\nthink-budget = 0\n");
    EXPECT_FALSE(thinks(shell(ask)));
    EXPECT_TRUE(thinks(shell(ask + "--think")));
    write("c.toml", "[run]\nthink = true\n");
    EXPECT_TRUE(thinks(shell(ask)));
    EXPECT_FALSE(thinks(shell(ask + "--think-budget 0")));
    write("c.toml", "[run]\nno-think = true\n");
    EXPECT_TRUE(thinks(shell("HEARTH_THINK=1 " + ask)));
}

TEST_F(Settings, RunHasThemToo) {
    write("c.toml", "[run]\nsystem = \"You are terse.\"\nmax-tokens = 1\nseed = 3\n[serve]\nport = 1\n");
    const Ran one = shell("\"$H\" run --config c.toml -v ember 'What is 17 + 25?'");
    EXPECT_EQ(one.exit_code, 0) << one.err;
    EXPECT_NE(one.err.find(", 1 written"), std::string::npos) << one.err;
    const Ran more = shell("HEARTH_MAX_TOKENS=2 \"$H\" run --config c.toml -v ember 'What is 17 + 25?'");
    EXPECT_NE(more.err.find(", 2 written"), std::string::npos) << more.err;
    for (const char* nothing : {"", "# nothing\n", "\n[run]\n"}) {
        write("c.toml", nothing);
        EXPECT_EQ(shell("\"$H\" serve --check-config --config c.toml").exit_code, 0) << nothing;
    }
    // Help needs no configuration that works.
    write("c.toml", "nonsense");
    EXPECT_EQ(hearth("run --config c.toml --help").exit_code, 0);
}

}  // namespace
}  // namespace hearth::test
