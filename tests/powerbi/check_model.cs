// Reads a TMDL folder with Microsoft's Tabular Object Model, validates the model, and writes each Power Query text that it holds
// to a file of its own, so that the M parser sees exactly what this parser read.
//
// usage: check_model.exe DEFINITION_FOLDER OUT_FOLDER
using System;
using System.IO;
using System.Linq;
using Microsoft.AnalysisServices.Tabular;

static class CheckModel
{
    static int Main(string[] arguments)
    {
        try
        {
            var model = TmdlSerializer.DeserializeDatabaseFromFolder(arguments[0]).Model;
            var result = model.Validate();
            foreach (var error in result.Errors)
                Console.Error.WriteLine("model: " + error.Message);
            if (result.Errors.Any()) return 1;

            foreach (var expression in model.Expressions)
                Write(arguments[1], "expression." + expression.Name, expression.Expression);
            foreach (var table in model.Tables)
                foreach (var partition in table.Partitions)
                {
                    var source = partition.Source as MPartitionSource;
                    if (source == null) { Console.Error.WriteLine("model: " + table.Name + " has no query"); return 1; }
                    Write(arguments[1], "table." + table.Name, source.Expression);
                }
            var unrelated = model.Relationships.Cast<SingleColumnRelationship>().Where(r => r.FromColumn == null || r.ToColumn == null);
            if (unrelated.Any()) { Console.Error.WriteLine("model: a relationship leads to no column"); return 1; }
            Console.WriteLine("model: {0} tables, {1} columns, {2} measures, {3} relationships", model.Tables.Count,
                model.Tables.Sum(t => t.Columns.Count), model.Tables.Sum(t => t.Measures.Count), model.Relationships.Count);
            return model.Tables.Count > 0 ? 0 : 1;
        }
        catch (Exception error)
        {
            for (var cause = error; cause != null; cause = cause.InnerException)
                Console.Error.WriteLine("model: " + cause.Message);
            return 1;
        }
    }

    static void Write(string folder, string name, string text)
    {
        foreach (var character in Path.GetInvalidFileNameChars()) name = name.Replace(character, '_');
        File.WriteAllText(Path.Combine(folder, name + ".m"), text);
    }
}
